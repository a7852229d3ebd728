// Private to bf16.c: a tile's sums by AVX512-BF16 and by AMX.
/// sums[rows][NR] = A[rows][k] times a panel of B. Meanwhile cache lines of B that are wanted next are fetched from `ahead` on, `lines`
/// of them for 32 steps along k, and the rows of C that the sums will go to, `ldc` bytes apart. Kernels that are waited for put `before`,
/// the tile whose sums were made last, to C meanwhile: `put` of all its rows, some at each step.
typedef struct bf16_tile {
    float *sums;
    const uint16_t *a;
    size_t rows, lda;
    const ptrdiff_t *steps;  ///< where A's next 32 columns begin, in elements; NULL: one behind the other
    const uint16_t *b;
    size_t k;
    const char *ahead;
    size_t lines;
    const char *c;
    size_t ldc;
    size_t *configured;  ///< rows that the AMX tiles are made for
    const struct bf16_done *before;  ///< NULL: none
    void (*put)(const struct bf16_done *before, size_t begin, size_t end);
} bf16_tile;
typedef void (*bf16_sums)(const bf16_tile *t);

/// Elements from A's first to those of the steps from p, a multiple of 32, on.
static inline __attribute__((always_inline)) ptrdiff_t step_at(const bf16_tile *t, size_t p) {
    return t->steps ? t->steps[p / 32] : (ptrdiff_t)p;
}

/// A tile whose sums are made: where they go, as a ck_bf16_block says, and how (`simple`: the tier's own).
typedef struct bf16_done {
    float *sums;
    size_t rows, cols, col, first, line, width, skip;
    const ck_bf16_result *to;
    const void *simple;
} bf16_done;

/// A kernel at work. Two tiles' sums, so that one is put away while the other is made where the kernel `overlaps` the two.
typedef struct bf16_run {
    bf16_sums sums_of;
    size_t tile_rows, configured;
    bool overlaps;
    bf16_done tiles[2];
    int turn;  ///< the tile that comes next
} bf16_run;

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
static inline __attribute__((always_inline)) DP void dp_rows(const bf16_tile *t, const int rows, const int phases) {
    __m512 acc[16][2];
    const uint16_t *b = t->b;
    const size_t lda = t->lda, k = t->k;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows * phases; i++) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (size_t p = 0; p < k; p += 32) {
        const uint16_t *a = t->a + step_at(t, p);
        for (size_t i = 0; i < t->lines; i++) __builtin_prefetch(t->ahead + (p / 32 * t->lines + i) * 64, 0, 2);
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
            _mm512_storeu_ps(t->sums + i * NR + v * 16, sum);
        }
    }
}

static DP void sums_dp(const bf16_tile *t) {
    switch (t->rows) {
#define CASE(r) case r: dp_rows(t, r, 1); break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#undef CASE
    default: break;
    }
}

/// A product of at most FEW rows.
static DP void sums_few(const bf16_tile *t) {
    switch (t->rows) {
    case 1: dp_rows(t, 1, 8); break;
    case 2: dp_rows(t, 2, 4); break;
    case 3: dp_rows(t, 3, 4); break;
    default: dp_rows(t, 4, 2); break;
    }
}

/// What the step along k at `p` fetches for later: its lines of B, four rows of C.
static inline __attribute__((always_inline)) CK_AMX void fetch_ahead(const bf16_tile *t, size_t p) {
    const char *ahead = t->ahead + p * 2 * t->lines;
    for (size_t i = 0; i < t->lines; i++) __builtin_prefetch(ahead + i * 64, 0, 2);
    for (size_t i = p / 8; i < p / 8 + 4 && i < t->rows; i++) {
        __builtin_prefetch(t->c + i * t->ldc, 1);
        __builtin_prefetch(t->c + i * t->ldc + 64, 1);
    }
}

/// Tiles 0, 1 and 4 hold the first 16 of `rows` rows, 2, 3 and 5 the others, 6 and 7 columns of B: 64 bytes a row.
static CK_AMX void configure(size_t rows) {
    const uint8_t first = (uint8_t)ck_min(rows, 16), other = (uint8_t)(rows > 16 ? rows - 16 : 1);
    const struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {first, first, other, other, first, other, 16, 16}};
    _tile_loadconfig(&config);
}

/// The next rows of the tile before: the vector units would wait for the tiles' otherwise.
static inline __attribute__((always_inline)) CK_AMX size_t put_some(const bf16_tile *t, size_t begin, size_t all, size_t share) {
    const size_t end = ck_min(all, begin + share);
    if (begin < end) t->put(t->before, begin, end);
    return end;
}

static CK_AMX void sums_amx(const bf16_tile *t) {
    if (*t->configured != t->rows) configure(*t->configured = t->rows);
    const uint16_t *b = t->b;
    const size_t stride = t->lda * 2, k = t->k;
    const size_t waiting = t->before ? t->before->rows : 0, share = (waiting * 32 + k - 1) / k;
    float *sums = t->sums;
    size_t put = 0;
    _tile_zero(0);
    _tile_zero(1);
    if (t->rows <= 16) {
        for (size_t p = 0; p < k; p += 32, b += 32 * NR) {
            fetch_ahead(t, p);
            _tile_loadd(4, t->a + step_at(t, p), stride);
            _tile_loadd(6, b, 4 * NR);
            _tile_loadd(7, b + NR, 4 * NR);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            put = put_some(t, put, waiting, share);
        }
    } else {
        _tile_zero(2);
        _tile_zero(3);
        for (size_t p = 0; p < k; p += 32, b += 32 * NR) {
            const uint16_t *a = t->a + step_at(t, p);
            fetch_ahead(t, p);
            _tile_loadd(6, b, 4 * NR);
            _tile_loadd(4, a, stride);
            _tile_loadd(7, b + NR, 4 * NR);
            _tile_loadd(5, a + 16 * t->lda, stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
            put = put_some(t, put, waiting, share);
        }
        _tile_stored(2, sums + 16 * NR, 4 * NR);
        _tile_stored(3, sums + 16 * NR + 16, 4 * NR);
    }
    _tile_stored(0, sums, 4 * NR);
    _tile_stored(1, sums + 16, 4 * NR);
}
#endif
