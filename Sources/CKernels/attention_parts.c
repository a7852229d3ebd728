// What the attention kernels share that is no arithmetic on tiles.
#include "attention.h"

void ck_attention_widen(float *out, const void *in, ck_attention_type type, size_t n) {
    switch (type) {
    case CK_ATTENTION_F32: memcpy(out, in, n * sizeof *out); break;
    case CK_ATTENTION_F16: ck_f16_to_f32(out, in, n); break;
    case CK_ATTENTION_BF16: ck_bf16_to_f32(out, in, n); break;
    case CK_ATTENTION_BOOL:
        for (size_t i = 0; i < n; i++) out[i] = ((const uint8_t *)in)[i] ? 0.0f : -INFINITY;
        break;
    }
}

static void narrow(void *out, const CK_U(float) *in, ck_attention_type type, size_t n) {
    switch (type) {
    case CK_ATTENTION_F16: ck_f32_to_f16(out, in, n); break;
    case CK_ATTENTION_BF16: ck_f32_to_bf16(out, in, n); break;
    default: memcpy(out, in, n * sizeof *in); break;
    }
}

void ck_attention_visible(const ck_attention *p, size_t row, size_t *lo, size_t *hi) {
    const ptrdiff_t at = (ptrdiff_t)(row / p->group) + p->offset, total = (ptrdiff_t)(p->part[0].length + p->part[1].length);
    ptrdiff_t first = 0, last = total;
    if (p->right >= 0 && p->right < total - at - 1) last = at + p->right + 1;
    if (p->left >= 0 && at > p->left) first = at - p->left;
    if (last > (ptrdiff_t)p->valid) last = (ptrdiff_t)p->valid;
    if (p->mask && last > (ptrdiff_t)p->covered) last = (ptrdiff_t)p->covered;
    if (last < 0) last = 0;
    if (first > last) first = last;
    *lo = (size_t)first;
    *hi = (size_t)last;
}

void ck_attention_store(const ck_attention *p, size_t row, size_t column, size_t n, const CK_U(float) *values) {
    narrow(ck_attention_result(p, row, column), values, p->out_type, n);
}

/// out[c * out_row + r] = in[r][c] for 4 rows at any addresses.
static inline __attribute__((always_inline)) void turn_4(float *out, size_t out_row, const void *const in[4], size_t n) {
    const CK_U(float) *x[4];
    for (int i = 0; i < 4; i++) x[i] = in[i];
    size_t c = 0;
    for (; c + 4 <= n; c += 4) {
        const ck_f32x4 a = *(const ck_f32x4_at *)(x[0] + c), b = *(const ck_f32x4_at *)(x[1] + c);
        const ck_f32x4 d = *(const ck_f32x4_at *)(x[2] + c), e = *(const ck_f32x4_at *)(x[3] + c);
        const ck_f32x4 f = __builtin_shufflevector(a, b, 0, 4, 1, 5), g = __builtin_shufflevector(d, e, 0, 4, 1, 5);
        const ck_f32x4 h = __builtin_shufflevector(a, b, 2, 6, 3, 7), i = __builtin_shufflevector(d, e, 2, 6, 3, 7);
        float *y = out + c * out_row;
        *(ck_f32x4_at *)y = __builtin_shufflevector(f, g, 0, 1, 4, 5);
        *(ck_f32x4_at *)(y + out_row) = __builtin_shufflevector(f, g, 2, 3, 6, 7);
        *(ck_f32x4_at *)(y + 2 * out_row) = __builtin_shufflevector(h, i, 0, 1, 4, 5);
        *(ck_f32x4_at *)(y + 3 * out_row) = __builtin_shufflevector(h, i, 2, 3, 6, 7);
    }
    for (; c < n; c++) {
        for (int i = 0; i < 4; i++) out[c * out_row + i] = x[i][c];
    }
}

void ck_attention_turn(const ck_attention *p, const ck_attention_state *s, float *out, size_t lanes, size_t row0, size_t rows, size_t column,
                 size_t n, ck_attention_source source, ck_attention_type type) {
    for (size_t r = 0; r < lanes; r += 4) {
        const void *in[4];
        for (size_t i = 0; i < 4; i++) {
            in[i] = source(p, row0 + ck_min(r + i, rows - 1), column);
            if (type == CK_ATTENTION_F32) continue;
            float *line = s->line + i * s->line_size;
            ck_attention_widen(line, in[i], type, n);
            in[i] = line;
        }
        turn_4(out + r, lanes, in, n);
    }
}

bool ck_attention_next_tile(const ck_attention *p, size_t from, size_t end, size_t step, ck_attention_tile *t) {
    if (from >= end) return false;
    const size_t past = p->part[0].length, base = from < past ? 0 : past;
    const size_t stop = base == 0 && past > 0 ? ck_min(past, end) : end;
    t->part = &p->part[from < past ? 0 : 1];
    t->key = from;
    t->at = from - base;
    t->count = ck_min(stop, base + (t->at / step + 1) * step) - from;
    return true;
}

void ck_attention_merge(const ck_attention *p, size_t begin, size_t end, const CK_U(float) *partial, size_t count, size_t stride) {
    enum { WIDTH = 256 };
    const size_t row_size = p->v_head_size + 2;
    for (size_t row = begin; row < end; row++, partial += row_size) {
        float top = -INFINITY, sum = 0;
        for (size_t s = 0; s < count; s++) {
            const CK_U(float) *one = partial + s * stride + p->v_head_size;
            if (one[0] > top) top = one[0];
        }
        const float shift = top == -INFINITY ? 0 : top;
        for (size_t s = 0; s < count; s++) {
            const CK_U(float) *one = partial + s * stride + p->v_head_size;
            sum += one[1] * expf(one[0] - shift);
        }
        for (size_t c0 = 0; c0 < p->v_head_size; c0 += WIDTH) {
            const size_t n = ck_min(WIDTH, p->v_head_size - c0);
            float acc[WIDTH];
            for (size_t d = 0; d < n; d++) acc[d] = sum == 0 ? p->masked_value : 0;
            for (size_t s = 0; s < count && sum != 0; s++) {
                const CK_U(float) *one = partial + s * stride;
                const float weight = expf(one[p->v_head_size] - shift) / sum;
                // A part without keys has weight zero; its numbers are zeros.
                for (size_t d = 0; d < n; d++) acc[d] += one[c0 + d] * weight;
            }
            ck_attention_store(p, row, c0, n, acc);
        }
    }
}
