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
    bool is_tame;             ///< no finite sum becomes a NaN
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
    c->is_tame = fabsf(to->residual_scale) < 0x1p100f && to->inverse < 0x1p100f;
    for (size_t j = 0; j < cols; j++) {
        c->is_tame &= (!to->scale || fabsf(to->scale[col + j]) < 0x1p90f) && (!to->bias || fabsf(to->bias[col + j]) < 0x1p120f);
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

/// Gelu of numbers that become 8 bits: max(x, 0) - |x| / 2 (1 - erf(|x| / sqrt 2)), the last factor as 1 / P(|x|)^16 to 3e-7 (Abramowitz and
/// Stegun, 26.2.19), which is a quarter of what the exact one takes.
INL vf T(gelu_of_code)(vf x) {
    const vf t = T(bound)(vabs(x), VS(0), VS(6));
    vf p = VFMA(t, VS(0.0000053830f), VS(0.0000488906f));
    p = VFMA(p, t, VS(0.0000380036f));
    p = VFMA(p, t, VS(0.0032776263f));
    p = VFMA(p, t, VS(0.0211410061f));
    p = VFMA(p, t, VS(0.0498673470f));
    p = VFMA(p, t, VS(1));
    p = p * p;
    p = p * p;
    p = p * p;
    p = p * p;
#if CK_TIER == 2
    const vf near = (vf)_mm512_rcp14_ps((__m512)p), r = VFMA(VFMA(-p, near, VS(1)), near, near);
    const vf right = (vf)_mm512_max_ps((__m512)x, _mm512_setzero_ps());
#elif CK_TIER == 1
    const vf near = (vf)_mm256_rcp_ps((__m256)p), r = VFMA(VFMA(-p, near, VS(1)), near, near);
    const vf right = (vf)_mm256_max_ps((__m256)x, _mm256_setzero_ps());
#else
    const vf r = VS(1) / p, right = vsel(x > VS(0), x, VS(0));
#endif
    return VFMA(t * VS(-0.5f), r, right);
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
    if (!is_clamp) {
        const bool is_code_of_gelu = type != CK_INT8_FLOAT && c->op == CK_UNARY_GELU;
        x = is_code_of_gelu ? T(gelu_of_code)(x) : T(activate)(c->op, x, c->p0, c->p1);
    }
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

#if CK_TIER == 2
/// Whole tiles to 8 bits behind a clamp where no sum is a NaN: narrowing that saturates does for the bounds of the type. Residuals of 8 bits
/// (1; 2: less a zero point), floats (3) or none (0); `has_low`: a bound above the type's; `shifts`: a zero point or a sign; `act`: a clamp (0),
/// HardSwish (1) or Gelu (2). Known to the compiler.
INL void T(put_bytes)(const int residual, const bool has_low, const bool shifts, const int act, const T(columns) * c, const ck_done *d, size_t begin,
                      size_t rows, size_t row) {
    const ck_int8_result *to = ((const int8_target *)d->product->to)->to;
    const vi add0 = (vi)c->add[0], add1 = (vi)c->add[1], z_zero = c->z_zero + (vi)(to->residual_type == CK_INT8_INT8 ? 128 : 0);
    const vf scale0 = c->scale[0], scale1 = c->scale[1], bias0 = c->bias[0], bias1 = c->bias[1];
    const vf low = c->low, high = act ? c->most : c->high, inverse = c->inverse, z_scale = c->z_scale;
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i flip = _mm512_set1_epi8(to->type == CK_INT8_INT8 ? (char)0x80 : 0);
    const __m512i zero = _mm512_set1_epi16((int16_t)(to->zero + (to->type == CK_INT8_INT8 ? 128 : 0)));
    const __m128i z_flip = _mm_set1_epi8(to->residual_type == CK_INT8_INT8 ? (char)0x80 : 0);
    const int32_t *sums = (const int32_t *)d->sums + begin * NR;
    uint8_t *out = (uint8_t *)to->c + row * to->ldc + d->col;
    const size_t z_element = residual == 3 ? 4 : 1, z_pitch = to->residual_stride * z_element;
    const uint8_t *z = (const uint8_t *)to->residual + row * z_pitch + d->col * z_element;
    for (size_t i = 0; i < rows; i += 2) {
        const size_t next = i + 1 < rows;  // the last row of an odd number is put twice
        __m512i codes[4];
#pragma clang loop unroll(full)
        for (int v = 0; v < 4; v++) {
            const size_t r = v / 2 * next;
            vf x = __builtin_convertvector(LDI(sums + r * NR + v % 2 * W) + (v % 2 ? add1 : add0), vf);
            x = x * (v % 2 ? scale1 : scale0);
            x = x + (v % 2 ? bias1 : bias0);
            if (residual == 3) {
                x = x + LD((const CK_U(float) *)(const void *)(z + r * z_pitch + (size_t)(v % 2) * W * 4));
            } else if (residual) {
                __m128i given = _mm_loadu_si128((const __m128i *)(const void *)(z + r * z_pitch + v % 2 * W));
                if (residual == 2) given = _mm_xor_si128(given, z_flip);
                vi whole = (vi)_mm512_cvtepu8_epi32(given);
                if (residual == 2) whole -= z_zero;
                vf y = __builtin_convertvector(whole, vf);
                y = y * z_scale;
                x = x + y;
            }
            if (act == 2) x = T(gelu_of_code)(x);
            if (act == 1) {
                vf y = T(sixth)(x);
                y = y + VS(0.5f);
                x = x * T(bound)(y, VS(0), VS(1));
            }
            x = x * inverse;
            // A NaN of the residual gives the zero point.
            const __mmask16 known = residual == 3 ? _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_ORD_Q) : 0xffff;
            if (has_low) x = (vf)_mm512_max_ps((__m512)x, (__m512)low);
            codes[v] = _mm512_maskz_cvtps_epi32(known, _mm512_min_ps((__m512)x, (__m512)high));
        }
        __m512i a = _mm512_packs_epi32(codes[0], codes[1]), b = _mm512_packs_epi32(codes[2], codes[3]);
        if (shifts) a = _mm512_adds_epi16(a, zero), b = _mm512_adds_epi16(b, zero);
        __m512i bytes = _mm512_packus_epi16(a, b);
        if (shifts) bytes = _mm512_xor_si512(bytes, flip);
        bytes = _mm512_permutexvar_epi32(order, bytes);
        _mm256_storeu_si256((__m256i *)(void *)out, _mm512_castsi512_si256(bytes));
        _mm256_storeu_si256((__m256i *)(void *)(out + next * to->ldc), _mm512_extracti64x4_epi64(bytes, 1));
        sums += 2 * NR, out += 2 * to->ldc, z += 2 * z_pitch;
    }
}

/// True where it was that.
static bool T(put_as_bytes)(const T(columns) * c, const ck_done *d, size_t begin, size_t rows, size_t row) {
    const ck_int8_result *to = ((const int8_target *)d->product->to)->to;
    if (to->type == CK_INT8_FLOAT || to->type == CK_INT8_INT32 || d->cols != NR || !c->is_tame) return false;
    const int act = c->op == CK_UNARY_HARD_SWISH ? 1 : c->op == CK_UNARY_GELU ? 2 : 0;
    const bool has_low = !act && c->low[0] > c->least[0], shifts = to->type == CK_INT8_INT8 || to->zero != 0;
    int residual = to->residual_type == CK_INT8_FLOAT ? 3 : to->residual_type == CK_INT8_NONE ? 0 : 2;
    if (to->residual_type == CK_INT8_UINT8 && to->residual_zero == 0) residual = 1;
    if (act && residual) return false;
    switch (act ? 14 + act * 2 + shifts : residual * 4 + has_low * 2 + shifts) {
#define CASE(n) case n: T(put_bytes)(n / 4, n / 2 % 2, n % 2, 0, c, d, begin, rows, row); break;
#define ACT_CASE(act) case 14 + act * 2: T(put_bytes)(0, false, false, act, c, d, begin, rows, row); break; \
        case 15 + act * 2: T(put_bytes)(0, false, true, act, c, d, begin, rows, row); break;
    CASE(0) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14) CASE(15)
    ACT_CASE(1) ACT_CASE(2)
    default: break;
#undef CASE
#undef ACT_CASE
    }
    return true;
}
#endif

static void T(finish)(const ck_done *d, size_t begin, size_t rows, size_t row) {
    const int8_target *target = d->product->to;
    const ck_int8_result *to = target->to;
    T(columns) *columns = (T(columns) *)(void *)target->panel->columns;
    if (target->panel->col != d->col) T(set_columns)(columns, to, d->col, d->cols);
    target->panel->col = d->col;
    const bool is_plain = !to->b_zero && columns->op == CK_UNARY_NONE;
#if CK_TIER == 2
    const bool is_fast = !to->b_zero && (columns->op == CK_UNARY_NONE || columns->op == CK_UNARY_HARD_SWISH || columns->op == CK_UNARY_GELU);
    if (is_fast && T(put_as_bytes)(columns, d, begin, rows, row)) return;
#endif
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
