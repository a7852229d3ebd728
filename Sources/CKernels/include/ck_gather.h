// Gather and scatter of rows.
#ifndef CK_GATHER_H
#define CK_GATHER_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// Position of the first index outside [-extent, extent), or n.
size_t ck_gather_check_i64(const CK_U(int64_t) *indices, size_t n, int64_t extent);
size_t ck_gather_check_i32(const CK_U(int32_t) *indices, size_t n, int64_t extent);

/// Gather along a middle axis: data [outer][extent][row_bytes], out [outer][n][row_bytes]; output rows [begin, end) of
/// outer * n. Negative indices count from the end; the caller has checked bounds.
void ck_gather_rows_i64(void *out, const void *data, const CK_U(int64_t) *indices, size_t n, size_t extent, size_t row_bytes,
                        size_t begin, size_t end);
void ck_gather_rows_i32(void *out, const void *data, const CK_U(int32_t) *indices, size_t n, size_t extent, size_t row_bytes,
                        size_t begin, size_t end);

/// GatherElements over [outer][n][inner] outputs from data [outer][extent][inner] where all other extents agree:
/// out[o][r][i] = data[o][indices[o][r][i]][i], elements of `width` bytes (1, 2, 4, 8, 16); slices over the flattened
/// output.
void ck_gather_elements_i64(void *out, const void *data, const CK_U(int64_t) *indices, size_t n, size_t extent, size_t inner,
                            size_t width, size_t begin, size_t end);

/// GatherND and ScatterND: row offsets in units of rows, computed by the caller. out[r] = data[offsets[r]], or
/// data[offsets[r]] = updates[r] (in order).
void ck_gather_offsets(void *out, const void *data, const CK_U(int64_t) *offsets, size_t row_bytes, size_t begin, size_t end);
void ck_scatter_offsets(void *data, const void *updates, const CK_U(int64_t) *offsets, size_t row_bytes, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
