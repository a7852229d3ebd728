// Private to int8_depthwise.c, included once a kernel: sums of neighbouring outputs for the channels of a vector. Defined around it: TILE(name),
// ATTRIBUTE, VECTOR, LOAD, STORE, TAPS (bytes of packed taps a quad), and dot products by `dot(sums, four, taps)` of `split(quad)`.

/// `groups` groups of `outputs` from group `first` on; both are known to the compiler.
static inline __attribute__((always_inline)) ATTRIBUTE void TILE(groups)(const int outputs, const int groups, const dw_tile *t, size_t first) {
    VECTOR acc[16];
    const VECTOR begin = LOAD(t->begin);
#pragma clang loop unroll(full)
    for (int i = 0; i < groups * outputs; i++) acc[i] = begin;
    const uint8_t *taps = t->taps;
    const size_t step = t->step * QUAD;
    for (size_t row = 0; row < t->rows; row++) {
        const uint8_t *quads = t->lines[row] + first * step;
        for (size_t k = 0; k < t->quads; k++, quads += t->next * QUAD, taps += (size_t)outputs * TAPS) {
            TILE(taps) tap[4];
#pragma clang loop unroll(full)
            for (int o = 0; o < outputs; o++) tap[o] = TILE(load_taps)(taps + o * TAPS);
#pragma clang loop unroll(full)
            for (int g = 0; g < groups; g++) {
                const TILE(taps) four = TILE(split)(quads + (size_t)g * step);
#pragma clang loop unroll(full)
                for (int o = 0; o < outputs; o++) acc[g * outputs + o] = TILE(dot)(acc[g * outputs + o], four, tap[o]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < groups * outputs; i++) STORE(t->sums + i * NR, acc[i]);
}

/// Groups [first, first + count), as many at once as there are registers.
static inline __attribute__((always_inline)) ATTRIBUTE void TILE(line)(const int outputs, const dw_tile *tile, size_t first, size_t count) {
    dw_tile t = *tile;
    enum { MOST = AT_ONCE };
    const size_t many = (size_t)(MOST / outputs);
    for (; count >= many; first += many, count -= many, t.sums += MOST / outputs * outputs * NR) TILE(groups)(outputs, MOST / outputs, &t, first);
    for (; count > 0; first++, count--, t.sums += outputs * NR) TILE(groups)(outputs, 1, &t, first);
}

static ATTRIBUTE void TILE(sums)(const dw_tile *t, size_t first, size_t count) {
    switch (t->outputs) {
    case 1: TILE(line)(1, t, first, count); break;
    case 2: TILE(line)(2, t, first, count); break;
    default: TILE(line)(4, t, first, count); break;
    }
}
#undef TILE
#undef ATTRIBUTE
#undef VECTOR
#undef LOAD
#undef STORE
#undef TAPS
#undef AT_ONCE
