// Private to the product kernels, included once per tier: what happens to a tile's sums.
/// Applies the epilogue to a tile: `sum` (row stride lds) holds the product, `c` the old values.
static void T(finish)(const ck_gemm_epilogue *e, const CK_U(float) *sum, size_t lds, float *c, size_t ldc, size_t rows,
                      size_t cols, size_t row0, size_t col0) {
    const int32_t op = e->act.op;
    const bool other = op != CK_UNARY_NONE && !ck_is_vector_activation(op);
    const vf p0 = VS(e->act.p0), p1 = VS(e->act.p1);
    for (size_t i = 0; i < rows; i++) {
        const CK_U(float) *s = sum + i * lds;
        float *dst = c + i * ldc, line[2 * 16];
        const CK_U(float) *res = e->residual ? e->residual + (row0 + i) * e->residual_stride + col0 : NULL;
        const vf bias_row = VS(e->bias_row ? e->bias_row[row0 + i] : 0.0f);
        for (size_t j = 0; j < cols; j += W) {
            const size_t left = cols - j;
#define LOAD(p) (left >= W ? LD(p) : LDN(p, left))
            vf x = VS(e->alpha) * LOAD(s + j);
            if (e->beta != 0) x += VS(e->beta) * LOAD(dst + j);
            if (e->bias_col) x += LOAD(e->bias_col + col0 + j);
            if (e->bias_row) x += bias_row;
            if (res && !e->act_first) x += LOAD(res + j);
            if (!other) x = vactivate(op, x, p0, p1);
            if (res && e->act_first && !other) x += LOAD(res + j);
            if (other) {
                ST(line + j, x);
            } else if (left >= W) {
                ST(dst + j, x);
            } else {
                STN(dst + j, x, left);
            }
#undef LOAD
        }
        if (!other) continue;
        ck_unary_f32(op, line, line, cols, e->act.p0, e->act.p1);
        for (size_t j = 0; j < cols; j++) dst[j] = line[j] + (res && e->act_first ? res[j] : 0.0f);
    }
}
