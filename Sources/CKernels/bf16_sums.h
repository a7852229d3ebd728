// Private to bf16.c: a tile's sums by AVX512-BF16 and by AMX.

/// Row 0 of A at step p.
static inline __attribute__((always_inline)) const uint16_t *row_at(const ck_tile *t, size_t p) {
    return (const uint16_t *)(const void *)(t->a + ck_step_at(t, p));
}

static inline __attribute__((always_inline)) uint32_t pair_at(const uint16_t *a) {
    uint32_t pair;
    memcpy(&pair, a, sizeof pair);
    return pair;
}

static inline float widened(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#if CK_X86
#define DP __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")))
/// `phases` sums an element, each over its part of k: few rows wait for their sums otherwise.
static inline __attribute__((always_inline)) DP void dp_rows(const ck_tile *t, const int rows, const int phases) {
    __m512 acc[16][2];
    const uint16_t *b = (const uint16_t *)(const void *)t->b;
    const size_t lda = t->lda / 2;
    float *sums = t->sums;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows * phases; i++) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (size_t p = 0; p < t->count; p++) {
        const uint16_t *a = row_at(t, p);
        ck_fetch_lines(t, p);
#pragma clang loop unroll(disable)
        for (const uint16_t *const end = a + 32; a < end; a += 2 * phases, b += 2 * NR * phases) {
#pragma clang loop unroll(full)
            for (int f = 0; f < phases; f++) {
                const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b + 2 * NR * f), b1 = (__m512bh)_mm512_loadu_si512(b + 2 * NR * f + NR);
#pragma clang loop unroll(full)
                for (int i = 0; i < rows; i++) {
                    const __m512bh x = (__m512bh)_mm512_set1_epi32((int32_t)pair_at(a + (size_t)i * lda + 2 * f));
                    acc[f * rows + i][0] = _mm512_dpbf16_ps(acc[f * rows + i][0], x, b0);
                    acc[f * rows + i][1] = _mm512_dpbf16_ps(acc[f * rows + i][1], x, b1);
                }
            }
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < 2; v++) {
            __m512 sum = acc[i][v];
            for (int f = 1; f < phases; f++) sum = _mm512_add_ps(sum, acc[f * rows + i][v]);
            _mm512_storeu_ps(sums + i * NR + v * 16, sum);
        }
    }
}

static DP void sums_dp(const ck_tile *t) {
    switch (t->rows) {
#define CASE(r) case r: dp_rows(t, r, 1); break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#undef CASE
    default: break;
    }
}

/// A product of at most FEW rows.
static DP void sums_few(const ck_tile *t) {
    switch (t->rows) {
    case 1: dp_rows(t, 1, 8); break;
    case 2: dp_rows(t, 2, 4); break;
    case 3: dp_rows(t, 3, 4); break;
    default: dp_rows(t, 4, 2); break;
    }
}

static CK_AMX void sums_amx(const ck_tile *t) {
    ck_amx_configure(t);
    const uint8_t *b = t->b;
    const size_t stride = t->lda, waiting = ck_amx_waiting(t), share = ck_amx_share(t, waiting);
    float *sums = t->sums;
    size_t put = 0;
    _tile_zero(0);
    _tile_zero(1);
    if (t->rows <= 16) {
        for (size_t p = 0; p < t->count; p++, b += CK_PANEL_STEP) {
            ck_fetch_ahead(t, p);
            _tile_loadd(4, t->a + ck_step_at(t, p), stride);
            _tile_loadd(6, b, 4 * NR);
            _tile_loadd(7, b + 64, 4 * NR);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            put = ck_amx_put(t, put, waiting, share);
        }
    } else {
        _tile_zero(2);
        _tile_zero(3);
        for (size_t p = 0; p < t->count; p++, b += CK_PANEL_STEP) {
            const uint8_t *a = t->a + ck_step_at(t, p);
            ck_fetch_ahead(t, p);
            _tile_loadd(6, b, 4 * NR);
            _tile_loadd(4, a, stride);
            _tile_loadd(7, b + 64, 4 * NR);
            _tile_loadd(5, a + 16 * stride, stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
            put = ck_amx_put(t, put, waiting, share);
        }
        _tile_stored(2, sums + 16 * NR, 4 * NR);
        _tile_stored(3, sums + 16 * NR + 16, 4 * NR);
    }
    _tile_stored(0, sums, 4 * NR);
    _tile_stored(1, sums + 16, 4 * NR);
}
#endif
