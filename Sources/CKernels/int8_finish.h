// Private to int8.c, included once per tier: what becomes of a tile's sums.
#define VECTORS (NR / W)
typedef uint8_t T(codes) __attribute__((ext_vector_type(W)));
typedef T(codes) T(codes_at) __attribute__((aligned(1), may_alias));
typedef int8_t T(signed_codes) __attribute__((ext_vector_type(W)));

/// What holds for all rows of a tile; of vectors, those of its columns.
typedef struct T(columns) {
    vu add[VECTORS], b_zero[VECTORS];
    vf scale[VECTORS], bias[VECTORS];
    vf low, high, p0, p1;     ///< bounds of a clamp, of a float or of a number before its zero point is added; the activation's parameters
    vf least, most, inverse;  ///< bounds of a number behind an activation that is no clamp
    vi zero, z_zero;
    vf z_scale;
    int32_t op;               ///< CK_UNARY_NONE where it is a clamp
} T(columns);
_Static_assert(sizeof(T(columns)) <= sizeof(((int8_panel *)0)->columns), "columns of a panel");

/// The first `n` of a vector's lanes, W or less; those behind are 0.
INL vf T(load)(const CK_U(float) *p, size_t n) { return n >= W ? LD(p) : n ? LDN(p, n) : VS(0); }

INL vu T(load)(const CK_U(int32_t) *p, size_t n) {
    const vf bits = T(load)((const CK_U(float) *)(const void *)p, n);
    return (vu)bits;
}

/// The first n of W bytes.
INL T(codes) T(load_codes)(const uint8_t *p, size_t n) {
    if (n >= W) return *(const T(codes_at) *)(const void *)p;
#if CK_TIER == 2
    return (T(codes))_mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1), p);
#else
    T(codes) v = 0;
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

INL void T(store_codes)(uint8_t *p, T(codes) v, size_t n) {
    if (n >= W) {
        *(T(codes_at) *)(void *)p = v;
        return;
    }
#if CK_TIER == 2
    _mm_mask_storeu_epi8(p, (__mmask16)((1u << n) - 1), (__m128i)v);
#else
    for (size_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

static void T(set_columns)(T(columns) * c, const ck_int8_result *to, size_t col, size_t cols) {
    const int32_t op = to->act.op;
    const bool is_signed = to->type == CK_INT8_INT8, is_byte = is_signed || to->type == CK_INT8_UINT8;
    for (size_t v = 0; v < VECTORS; v++) {
        const size_t at = col + v * W, n = cols > v * W ? cols - v * W : 0;
        c->add[v] = to->add ? T(load)(to->add + at, n) : (vu)0;
        c->b_zero[v] = to->b_zero ? T(load)(to->b_zero + at, n) : (vu)0;
        c->scale[v] = to->scale ? T(load)(to->scale + at, n) : VS(1);
        c->bias[v] = to->bias ? T(load)(to->bias + at, n) : VS(-0.0f);  // x + -0 is x, whatever its sign
    }
    float low = op == CK_UNARY_RELU ? 0 : op == CK_UNARY_CLIP ? to->act.p0 : -INFINITY, high = op == CK_UNARY_CLIP ? to->act.p1 : INFINITY;
    const float least = (float)((is_signed ? -128 : 0) - to->zero), most = (float)((is_signed ? 127 : 255) - to->zero);
    c->op = op == CK_UNARY_RELU || op == CK_UNARY_CLIP ? CK_UNARY_NONE : op;
    if (is_byte && c->op == CK_UNARY_NONE) {
        // Products by a positive number keep their order: one clamp behind it does for both.
        if (to->inverse > 0 && to->inverse <= FLT_MAX && low <= high) {
            low = fminf(fmaxf(low * to->inverse, least), most);
            high = fminf(fmaxf(high * to->inverse, least), most);
        } else {
            c->op = CK_UNARY_CLIP;
        }
    }
    c->p0 = VS(c->op == CK_UNARY_CLIP ? low : to->act.p0);
    c->p1 = VS(c->op == CK_UNARY_CLIP ? high : to->act.p1);
    c->low = VS(low);
    c->high = VS(high);
    c->least = VS(least);
    c->most = VS(most);
    c->inverse = VS(to->inverse);
    c->zero = (vi)to->zero;
    c->z_zero = (vi)to->residual_zero;
    c->z_scale = VS(to->residual_scale);
}

/// vclamp in two instructions.
INL vf T(bound)(vf x, vf low, vf high) {
#if CK_TIER == 2
    return (vf)_mm512_min_ps((__m512)high, _mm512_max_ps((__m512)low, (__m512)x));
#elif CK_TIER == 1
    return (vf)_mm256_min_ps((__m256)high, _mm256_max_ps((__m256)low, (__m256)x));
#else
    return vclamp(x, low, high);
#endif
}

/// The nearest integers of bounded numbers, and anything whose lowest byte is 0 for a NaN.
INL vi T(nearest)(vf x) {
#if CK_TIER == 2
    return (vi)_mm512_cvtps_epi32((__m512)x);
#elif CK_TIER == 1
    return (vi)_mm256_cvtps_epi32((__m256)x);
#else
    // Adding 1.5 * 2^23 rounds to an integer, which is then in the lowest bits.
    return (vi)(vsel(x == x, x, VS(0)) + VS(12582912.0f)) - (vi)0x4b400000;
#endif
}

/// x / 6 for |x| <= 8 (those beyond count as 8) such that the sum with 0.5 is that of the quotient, whatever x: all floats were tried.
INL vf T(sixth)(vf x) {
    x = vclamp(x, VS(-8), VS(8));
#if CK_FUSES
    const vf q = x * VS(1.0f / 6.0f);
    const vf rest = VFMA(q, VS(-6), x);
    return VFMA(rest, VS(1.0f / 6.0f), q);
#else
    return x / VS(6);
#endif
}

/// The activations that are no clamp, each product and sum of those without exp rounded by itself.
static __attribute__((noinline)) vf T(activate)(int32_t op, vf x, vf p0, vf p1) {
    switch (op) {
    case CK_UNARY_CLIP: return vclamp(x, p0, p1);
    case CK_UNARY_LEAKY_RELU: return vsel(x < VS(0), x * p0, x);
    case CK_UNARY_HARD_SIGMOID: {
        vf y = p0 * x;
        y = y + p1;
        return vclamp(y, VS(0), VS(1));
    }
    case CK_UNARY_HARD_SWISH: {
        vf y = T(sixth)(x);
        y = y + VS(0.5f);
        return x * vclamp(y, VS(0), VS(1));
    }
    default: break;
    }
    if (ck_is_vector_activation(op)) return vactivate(op, x, p0, p1);
    float line[W];
    ST(line, x);
    ck_unary_f32(op, line, line, W, p0[0], p1[0]);
    return LD(line);
}

/// W sums of a row to `out`, the first n of them; `type`, `residual`, `is_plain` (a clamp, no zero points of B) are known to the compiler.
INL void T(put)(const int32_t type, const int32_t residual, const bool is_plain, const T(columns) * c, vu s, uint32_t row_sum, int v, size_t n,
                void *out, const void *z) {
    s += c->add[v];
    if (!is_plain) s -= row_sum * c->b_zero[v];
    if (type == CK_INT8_INT32) {
        if (n >= W) {
            STI((int32_t *)out, (vi)s);
        } else {
            STN((float *)out, (vf)s, n);
        }
        return;
    }
    vf x = __builtin_convertvector((vi)s, vf);
    x = x * c->scale[v];
    x = x + c->bias[v];
    if (residual == CK_INT8_FLOAT) x = x + T(load)((const CK_U(float) *)z, n);
    if (residual == CK_INT8_UINT8 || residual == CK_INT8_INT8) {
        const T(codes) codes = T(load_codes)(z, n);
        vi whole = residual == CK_INT8_INT8 ? __builtin_convertvector((T(signed_codes))codes, vi) : __builtin_convertvector(codes, vi);
        whole -= c->z_zero;
        vf y = __builtin_convertvector(whole, vf);
        y = y * c->z_scale;
        x = x + y;
    }
    const bool is_clamp = is_plain || c->op == CK_UNARY_NONE;
    if (!is_clamp) x = T(activate)(c->op, x, c->p0, c->p1);
    if (type == CK_INT8_FLOAT) {
        if (is_clamp) x = T(bound)(x, c->low, c->high);
        if (n >= W) {
            ST((float *)out, x);
        } else {
            STN((float *)out, x, n);
        }
        return;
    }
    x = x * c->inverse;
    x = T(bound)(x, is_clamp ? c->low : c->least, is_clamp ? c->high : c->most);
    T(store_codes)(out, __builtin_convertvector((vu)(T(nearest)(x) + c->zero), T(codes)), n);
}

INL void T(put_all)(const int32_t type, const int32_t residual, const bool is_plain, const T(columns) * from, const ck_done *d, size_t begin,
                    size_t rows, size_t row) {
    const ck_int8_result *to = ((const int8_target *)d->product->to)->to;
    const size_t element = type == CK_INT8_INT32 || type == CK_INT8_FLOAT ? 4 : 1, z_element = residual == CK_INT8_FLOAT ? 4 : 1;
    const size_t pitch = to->ldc * element, z_pitch = to->residual_stride * z_element, cols = d->cols;
    const T(columns) c = *from;
    const int32_t *sums = (const int32_t *)d->sums + begin * NR;
    const uint32_t *row_sums = (const uint32_t *)d->sums + 32 * NR + begin;
    char *out = (char *)to->c + row * pitch + d->col * element;
    const char *z = residual == CK_INT8_NONE ? NULL : (const char *)to->residual + row * z_pitch + d->col * z_element;
    for (size_t i = 0; i < rows; i++, sums += NR, out += pitch) {
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) {
            const size_t at = (size_t)v * W;
            if (at >= cols) break;
            T(put)(type, residual, is_plain, &c, (vu)LDI(sums + at), is_plain ? 0 : row_sums[i], v, cols - at, out + at * element,
                   residual == CK_INT8_NONE ? NULL : z + at * z_element);
        }
        if (residual != CK_INT8_NONE) z += z_pitch;
    }
}

static void T(finish)(const ck_done *d, size_t begin, size_t rows, size_t row) {
    const int8_target *target = d->product->to;
    const ck_int8_result *to = target->to;
    T(columns) *columns = (T(columns) *)(void *)target->panel->columns;
    if (target->panel->col != d->col) T(set_columns)(columns, to, d->col, d->cols);
    target->panel->col = d->col;
    const bool is_plain = !to->b_zero && columns->op == CK_UNARY_NONE;
#define PUT(type, residual)                                                                            \
    if (is_plain) return T(put_all)(type, residual, true, columns, d, begin, rows, row);              \
    return T(put_all)(type, residual, false, columns, d, begin, rows, row)
#define PUT_WITH(type)                                          \
    switch (to->residual_type) {                                \
    case CK_INT8_FLOAT: PUT(type, CK_INT8_FLOAT);               \
    case CK_INT8_UINT8: PUT(type, CK_INT8_UINT8);               \
    case CK_INT8_INT8: PUT(type, CK_INT8_INT8);                 \
    default: PUT(type, CK_INT8_NONE);                           \
    }
    switch (to->type) {
    case CK_INT8_INT32: PUT(CK_INT8_INT32, CK_INT8_NONE);
    case CK_INT8_FLOAT: PUT_WITH(CK_INT8_FLOAT)
    default: PUT_WITH(CK_INT8_UINT8)
    }
#undef PUT
#undef PUT_WITH
}
#undef VECTORS
