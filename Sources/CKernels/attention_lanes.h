// The part of the online softmax that all attention kernels share, included by them once per tier.
static inline __attribute__((always_inline)) ck_f32x4 T(fold)(vf a) {
#if W == 16
    const vh h = a.lo + a.hi;
    return h.lo + h.hi;
#elif W == 8
    return a.lo + a.hi;
#else
    return a;
#endif
}

static inline __attribute__((always_inline)) vf T(top)(vf a, vf b) { return vsel(a > b, a, b); }

static inline __attribute__((always_inline)) vf T(capped)(vf x, float softcap) {
    return VS(softcap) * vtanh(x / VS(softcap));
}

/// What is done to a tile's products before the exponential.
typedef struct T(shaping) {
    float scale;  // that the products lack
    float softcap;  // 0: none
    const CK_U(float) *bias;  // [key][lane], or [key] where is_flat; NULL: none
    bool is_flat, is_cut;
} T(shaping);

/// Products of W lanes with `keys` keys become scores, but for the factor *scale. *top: their maxima and the earlier ones. False if
/// every weight would be zero, which an added mask may bring about.
static inline __attribute__((always_inline)) bool T(shape_lanes)(const T(shaping) * how, size_t keys, size_t lanes, size_t lane,
                                                                 float *scores, const ck_attention_state *t, vf *top_of, vf *scale) {
    const vf old = LD(t->top + lane);
    vf top = VS(-INFINITY);
    float *s = scores + lane;
    // Whether a row is cut must not change the bits of another: a cut leaves the scale to the caller, as no cut does.
    const bool scales = how->softcap > 0 || how->bias || !(how->scale > 0);
    *scale = VS(scales ? 1 : how->scale);
    if (scales || how->is_cut) {
        const vi from = LDI(t->from + lane), to = LDI(t->to + lane);
        const CK_U(float) *bias = how->bias ? how->bias + (how->is_flat ? 0 : lane) : NULL;
        for (size_t j = 0; j < keys; j++) {
            vf x = LD(s + j * lanes);
            if (scales) x *= VS(how->scale);
            if (how->softcap > 0) x = T(capped)(x, how->softcap);
            if (bias) x += how->is_flat ? VS(bias[j]) : LD(bias + j * lanes);
            if (how->is_cut) x = vsel((from <= (vi)(int32_t)j) & (to > (vi)(int32_t)j), x, VS(-INFINITY));
            top = vmax(top, x);
            ST(s + j * lanes, x);
        }
        top *= *scale;
        const vi far = top - old < VS(-87.5f);  // false for NaN, and for -inf - -inf
        bool is_zero = true;
        for (int i = 0; i < W; i++) is_zero &= (far[i] | (top[i] == -INFINITY)) != 0;
        if (is_zero) return false;
        top = vsel(top != top, old, top);  // the NaN itself makes the sum NaN
    } else {
        vf top2 = top;
        size_t j = 0;
        for (; j + 2 <= keys; j += 2) {
            top = T(top)(LD(s + j * lanes), top);
            top2 = T(top)(LD(s + (j + 1) * lanes), top2);
        }
        if (j < keys) top = T(top)(LD(s + j * lanes), top);
        top = T(top)(top, top2) * *scale;
    }
    *top_of = T(top)(top, old);
    return true;
}

/// The products of one row with `keys` keys, s[0 ..< keys] with room for whole vectors, become weights; updates maximum and sum.
static __attribute__((unused)) void T(weigh_row)(const T(shaping) * how, size_t keys, size_t row, float *s, const ck_attention_state *t) {
    const size_t wide = ck_round_up(keys, W);
    vf top = VS(-INFINITY);
    for (size_t j = 0; j < wide; j += W) {
        vf x = LD(s + j) * VS(how->scale);
        if (how->softcap > 0) x = T(capped)(x, how->softcap);
        if (how->bias) x += LD(how->bias + (how->is_flat ? 0 : row * t->keys) + j);
        ST(s + j, x);
    }
    for (size_t j = 0; how->is_cut && j < keys; j++) {
        if ((int32_t)j < t->from[row] || (int32_t)j >= t->to[row]) s[j] = -INFINITY;
    }
    for (size_t j = keys; j < wide; j++) s[j] = -INFINITY;
    for (size_t j = 0; j < wide; j += W) top = T(top)(LD(s + j), top);
    float most = t->top[row];
    for (int i = 0; i < W; i++) most = top[i] > most ? top[i] : most;
    const vf shift = VS(most == -INFINITY ? 0 : most);
    vf sum = VS(0);
    for (size_t j = 0; j < wide; j += W) {
        const vf e = vexp_neg(LD(s + j) - shift);
        ST(s + j, e);
        sum += e;
    }
    const float shrink = vexp_neg(VS(t->top[row]) - shift)[0];
    t->shrink[row] = shrink;
    t->sum[row] = t->sum[row] * shrink + vhsum(sum);
    t->top[row] = most;
}

/// The tile's bias; false if it forbids every key of the tile to every row.
static bool T(load_bias)(const ck_attention *p, const ck_attention_state *s, const ck_attention_tile *at, size_t row0, size_t rows, size_t lanes,
                         T(shaping) * how) {
    how->is_flat = p->mask_row == 0 && (p->mask_head == 0 || p->group == 1);
    how->bias = s->bias;
    size_t count = at->count;
    if (how->is_flat) {
        ck_attention_widen(s->bias, ck_attention_mask(p, 0, at->key), p->mask_type, count);
    } else if (lanes) {
        ck_attention_turn(p, s, s->bias, lanes, row0, rows, at->key, count, ck_attention_mask, p->mask_type);
        count *= lanes;
    } else {
        for (size_t r = 0; r < rows; r++) {
            ck_attention_widen(s->bias + r * s->keys, ck_attention_mask(p, row0 + r, at->key), p->mask_type, at->count);
            for (size_t j = at->count; j < ck_round_up(at->count, W); j++) s->bias[r * s->keys + j] = 0;
        }
        return true;
    }
    for (size_t j = count; j < ck_round_up(count, W); j++) s->bias[j] = -INFINITY;
    vf top = VS(-INFINITY);
    for (size_t j = 0; j < count; j += W) top = vmax(top, LD(s->bias + j));
    return vhmax(top) != -INFINITY;
}

/// The limits of each row within a tile; false if every row sees all of it.
static bool T(cut)(const ck_attention_state *s, const size_t *lo, const size_t *hi, size_t rows, size_t lanes, const ck_attention_tile *at) {
    bool is_cut = false;
    for (size_t r = 0; r < rows; r++) {
        const size_t first = lo[r] > at->key ? ck_min(lo[r] - at->key, at->count) : 0;
        const size_t last = hi[r] > at->key ? ck_min(hi[r] - at->key, at->count) : 0;
        s->from[r] = (int32_t)first;
        s->to[r] = (int32_t)last;
        is_cut |= first > 0 || last < at->count;
    }
    for (size_t r = rows; r < lanes; r++) s->from[r] = s->from[rows - 1], s->to[r] = s->to[rows - 1];
    return is_cut;
}

/// The sums over V divided by the sum of weights.
static inline __attribute__((always_inline)) void T(divide)(const ck_attention *p, float *acc, size_t n, float sum) {
    const vf inverse = VS(1.0f / sum);
    for (size_t d = 0; d < n; d += W) ST(acc + d, sum == 0 ? VS(p->masked_value) : LD(acc + d) * inverse);
}
