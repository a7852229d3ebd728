// Gather and scatter: memcpy of rows, small rows by fixed-size copies.
#include "include/ck_gather.h"
#include "internal.h"

#define CHECK(name, type)                                                           \
    size_t name(const CK_U(type) *indices, size_t n, int64_t extent) {                    \
        for (size_t i = 0; i < n; i++) {                                            \
            if (indices[i] < -extent || indices[i] >= extent) return i;             \
        }                                                                           \
        return n;                                                                   \
    }
CHECK(ck_gather_check_i64, int64_t)
CHECK(ck_gather_check_i32, int32_t)

static inline void copy_row(char *dst, const char *src, size_t bytes) {
    switch (bytes) {
    case 1: *dst = *src; break;
    case 2: memcpy(dst, src, 2); break;
    case 4: memcpy(dst, src, 4); break;
    case 8: memcpy(dst, src, 8); break;
    case 16: memcpy(dst, src, 16); break;
    default: memcpy(dst, src, bytes); break;
    }
}

#define ROWS(name, type)                                                                                            \
    void name(void *out, const void *data, const CK_U(type) *indices, size_t n, size_t extent, size_t row_bytes,           \
              size_t begin, size_t end) {                                                                           \
        for (size_t r = begin; r < end; r++) {                                                                      \
            const type index = indices[r % n];                                                                      \
            const size_t at = (size_t)(index < 0 ? (int64_t)index + (int64_t)extent : (int64_t)index);              \
            copy_row((char *)out + r * row_bytes, (const char *)data + (r / n * extent + at) * row_bytes, row_bytes); \
        }                                                                                                           \
    }
ROWS(ck_gather_rows_i64, int64_t)
ROWS(ck_gather_rows_i32, int32_t)

void ck_gather_elements_i64(void *out, const void *data, const CK_U(int64_t) *indices, size_t n, size_t extent, size_t inner,
                            size_t width, size_t begin, size_t end) {
    for (size_t e = begin; e < end; e++) {
        const int64_t index = indices[e] < 0 ? indices[e] + (int64_t)extent : indices[e];
        const size_t from = (e / inner / n * extent + (size_t)index) * inner + e % inner;
        copy_row((char *)out + e * width, (const char *)data + from * width, width);
    }
}

void ck_gather_offsets(void *out, const void *data, const CK_U(int64_t) *offsets, size_t row_bytes, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++)
        copy_row((char *)out + r * row_bytes, (const char *)data + (size_t)offsets[r] * row_bytes, row_bytes);
}

void ck_scatter_offsets(void *data, const void *updates, const CK_U(int64_t) *offsets, size_t row_bytes, size_t begin,
                        size_t end) {
    for (size_t r = begin; r < end; r++)
        copy_row((char *)data + (size_t)offsets[r] * row_bytes, (const char *)updates + r * row_bytes, row_bytes);
}
