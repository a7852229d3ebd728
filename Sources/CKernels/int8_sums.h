// Private to int8.c: a tile's sums by AMX, by VNNI and, in any tier, by pairs of 16 bits. VNNI and pairs take numbers without a sign: those with
// one are read 128 higher, and sums begin at -128 times their column's sum.

static inline __attribute__((always_inline)) const int8_target *target_of(const ck_tile *t) { return t->product->to; }
static inline __attribute__((always_inline)) uint32_t flip_of(const ck_tile *t) { return target_of(t)->is_signed ? 0x80808080u : 0; }
static inline __attribute__((always_inline)) const int32_t *columns_of(const ck_tile *t) { return int8_sums(target_of(t)->weights) + t->col; }

/// Steps until the last one of a line, and the groups of four numbers there that are not all padding.
typedef struct groups {
    size_t steps, last, left;
} groups;

static inline __attribute__((always_inline)) groups groups_of(const ck_tile *t) {
    const ck_int8_weights *w = target_of(t)->weights;
    const size_t steps = w->row / CK_STEP;
    return (groups){steps, (w->line - (steps - 1) * CK_STEP + 3) / 4, steps};
}
static inline __attribute__((always_inline)) size_t next_groups(groups *g) {
    if (--g->left) return CK_STEP / 4;
    g->left = g->steps;
    return g->last;
}

static inline __attribute__((always_inline)) uint32_t four_at(const uint8_t *a) {
    uint32_t four;
    memcpy(&four, a, sizeof four);
    return four;
}

/// The sums of A's rows, behind those of the tile, where B has zero points.
static void sum_rows(const ck_tile *t) {
    const int8_target *target = target_of(t);
    if (!target->to->b_zero) return;
    const uint8_t *mask = int8_mask(target->weights);
    int32_t *out = (int32_t *)t->sums + 32 * NR;
    for (size_t i = 0; i < t->rows; i++) {
        int32_t sum = 0, count = 0;
        for (size_t p = 0; p < t->count; p++) {
            const uint8_t *a = t->a + i * t->lda + (i < t->rows / 2 ? 0 : t->gap) + ck_step_at(t, p), *m = mask + p * CK_STEP;
            const uint8_t flip = (uint8_t)flip_of(t);
            for (size_t e = 0; e < CK_STEP; e++) sum += (a[e] ^ flip) * m[e], count += m[e];
        }
        out[i] = target->is_signed ? sum - 128 * count : sum;
    }
}

#if CK_X86
#define VNNI __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni")))
/// `phases` sums an element, each over its part of k: few rows wait for their sums otherwise. `joins`: there is a gap between the halves.
static inline __attribute__((always_inline)) VNNI void vnni_rows(const ck_tile *t, const int rows, const int phases, const bool flips,
                                                                 const bool joins) {
    __m512i acc[16][2];
    const uint8_t *b = t->b;
    const size_t lda = t->lda;
    const int32_t *columns = columns_of(t);
    int32_t *sums = t->sums;
    groups groups = groups_of(t);
    const __m512i flip = _mm512_set1_epi8((char)0x80);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows * phases; i++) {
        for (int v = 0; v < 2; v++) {
            acc[i][v] = _mm512_setzero_si512();
            if (flips && i < rows) acc[i][v] = _mm512_sub_epi32(acc[i][v], _mm512_slli_epi32(_mm512_loadu_si512(columns + 16 * v), 7));
        }
    }
    for (size_t p = 0; p < t->count; p++, b += CK_PANEL_STEP) {
        const uint8_t *a = t->a + ck_step_at(t, p), *second = a + (joins ? t->gap : 0), *four = b;
        ck_fetch_lines(t, p);
#pragma clang loop unroll(disable)
        for (const uint8_t *const end = a + 4 * next_groups(&groups); a < end; a += 4 * phases, second += 4 * phases, four += 4 * NR * phases) {
#pragma clang loop unroll(full)
            for (int f = 0; f < phases; f++) {
                const __m512i b0 = _mm512_loadu_si512(four + 4 * NR * f), b1 = _mm512_loadu_si512(four + 4 * NR * f + 64);
#pragma clang loop unroll(full)
                for (int i = 0; i < rows; i++) {
                    const uint8_t *from = joins && i >= rows / 2 ? second : a;
                    __m512i x = _mm512_set1_epi32((int32_t)four_at(from + (size_t)i * lda + 4 * f));
                    if (flips) x = _mm512_xor_si512(x, flip);
                    acc[f * rows + i][0] = _mm512_dpbusd_epi32(acc[f * rows + i][0], x, b0);
                    acc[f * rows + i][1] = _mm512_dpbusd_epi32(acc[f * rows + i][1], x, b1);
                }
            }
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < 2; v++) {
            __m512i sum = acc[i][v];
            for (int f = 1; f < phases; f++) sum = _mm512_add_epi32(sum, acc[f * rows + i][v]);
            _mm512_storeu_si512(sums + i * NR + v * 16, sum);
        }
    }
}

static inline __attribute__((always_inline)) VNNI void vnni(const ck_tile *t, const bool flips) {
    switch (t->gap ? 16 + t->rows : t->rows) {
    case 1: vnni_rows(t, 1, 8, flips, false); break;
    case 2: vnni_rows(t, 2, 4, flips, false); break;
    case 3: vnni_rows(t, 3, 4, flips, false); break;
    case 4: vnni_rows(t, 4, 2, flips, false); break;
#define CASE(r) case r: vnni_rows(t, r, 1, flips, false); break;
    CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#undef CASE
#define CASE(r) case 16 + r: vnni_rows(t, r, 1, flips, true); break;
    CASE(10) CASE(12) CASE(14)
#undef CASE
    default: break;
    }
}
static VNNI void vnni_signed(const ck_tile *t) { vnni(t, true); }
static VNNI void vnni_unsigned(const ck_tile *t) { vnni(t, false); }

static void sums_vnni(const ck_tile *t) {
    sum_rows(t);
    if (target_of(t)->is_signed) return vnni_signed(t);
    vnni_unsigned(t);
}

#define AVX_VNNI __attribute__((target("avx2,fma,bmi,bmi2,avxvnni")))
static inline __attribute__((always_inline)) AVX_VNNI void avx_vnni_rows(const ck_tile *t, const int rows) {
    __m256i acc[3][4];
    const uint8_t *b = t->b;
    const uint32_t flip = flip_of(t);
    const int32_t *columns = columns_of(t);
    int32_t *sums = t->sums;
    groups groups = groups_of(t);
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < 4; v++) {
            acc[i][v] = _mm256_setzero_si256();
            if (flip) acc[i][v] = _mm256_sub_epi32(acc[i][v], _mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)(columns + 8 * v)), 7));
        }
    }
    for (size_t p = 0; p < t->count; p++, b += CK_PANEL_STEP) {
        const uint8_t *a = t->a + ck_step_at(t, p), *four = b;
#pragma clang loop unroll(disable)
        for (const uint8_t *const end = a + 4 * next_groups(&groups); a < end; a += 4, four += 4 * NR) {
            __m256i x[3];
            for (int i = 0; i < rows; i++) x[i] = _mm256_set1_epi32((int32_t)(four_at(a + (size_t)i * t->lda) ^ flip));
#pragma clang loop unroll(full)
            for (int v = 0; v < 4; v++) {
                const __m256i y = _mm256_loadu_si256((const __m256i *)(four + 32 * v));
                for (int i = 0; i < rows; i++) acc[i][v] = _mm256_dpbusd_avx_epi32(acc[i][v], x[i], y);
            }
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < 4; v++) _mm256_storeu_si256((__m256i *)(sums + i * NR + v * 8), acc[i][v]);
    }
}

static AVX_VNNI void sums_avx_vnni(const ck_tile *t) {
    sum_rows(t);
    switch (t->rows) {
    case 1: avx_vnni_rows(t, 1); break;
    case 2: avx_vnni_rows(t, 2); break;
    default: avx_vnni_rows(t, 3); break;
    }
}

/// Steps of four products, for tiles 0 to 3, or of two.
#define AMX_SUMS(product, pairs)                                        \
    for (size_t p = 0; p < t->count; p++, b += CK_PANEL_STEP) {         \
        const uint8_t *a = t->a + ck_step_at(t, p);                     \
        ck_fetch_lines(t, p);                                           \
        _tile_loadd(6, b, 4 * NR);                                      \
        _tile_loadd(4, a, t->lda);                                      \
        _tile_loadd(7, b + 64, 4 * NR);                                 \
        if (pairs) _tile_loadd(5, a + 16 * t->lda, t->lda);             \
        product(0, 4, 6);                                               \
        product(1, 4, 7);                                               \
        if (pairs) {                                                    \
            product(2, 5, 6);                                           \
            product(3, 5, 7);                                           \
        }                                                               \
        put = ck_amx_put(t, put, waiting, share);                       \
    }

static CK_AMX void amx(const ck_tile *t) {
    ck_amx_configure(t);
    const uint8_t *b = t->b;
    const size_t waiting = ck_amx_waiting(t), share = ck_amx_share(t, waiting);
    const bool is_signed = target_of(t)->is_signed;
    int32_t *sums = t->sums;
    size_t put = 0;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (t->rows <= 16) {
        if (is_signed) AMX_SUMS(_tile_dpbssd, false) else AMX_SUMS(_tile_dpbusd, false)
    } else {
        if (is_signed) AMX_SUMS(_tile_dpbssd, true) else AMX_SUMS(_tile_dpbusd, true)
        _tile_stored(2, sums + 16 * NR, 4 * NR);
        _tile_stored(3, sums + 16 * NR + 16, 4 * NR);
    }
    _tile_stored(0, sums, 4 * NR);
    _tile_stored(1, sums + 16, 4 * NR);
}

/// Every processor with tiles has VNNI, which is faster for few rows.
static void sums_amx(const ck_tile *t) {
    if (t->rows > 4 || !(ck_isa_features() & CK_FEATURE_AVX512_VNNI)) {
        sum_rows(t);
        return amx(t);
    }
    if (t->before) ck_put_rows(t->before, 0, t->before->rows);
    sums_vnni(t);
}
#endif
