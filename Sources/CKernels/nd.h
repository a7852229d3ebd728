// Private: walks a slice of a row-major index space in runs along the last axis, with up to three strided operands.
#ifndef CK_ND_H
#define CK_ND_H

#include "include/ck_base.h"
#include "internal.h"

enum { ND_OPERANDS = 3 };

typedef struct {
    size_t rank, operands;
    size_t dims[CK_MAX_RANK], index[CK_MAX_RANK];
    ptrdiff_t strides[ND_OPERANDS][CK_MAX_RANK], offset[ND_OPERANDS];
    size_t left;
} nd_walk;

/// Merges neighbouring axes that all operands walk as one, drops extents of 1, and moves to element `begin`.
static inline void nd_start(nd_walk *w, size_t rank, const size_t *dims, size_t operands,
                            const ptrdiff_t *const *strides, size_t begin, size_t end) {
    w->rank = 0;
    w->operands = operands;
    for (size_t d = 0; d < rank; d++) {
        if (dims[d] == 1) continue;
        bool merge = w->rank > 0;
        for (size_t o = 0; merge && o < operands; o++)
            merge = w->strides[o][w->rank - 1] == strides[o][d] * (ptrdiff_t)dims[d];
        if (!merge) w->dims[w->rank++] = 1;
        w->dims[w->rank - 1] *= dims[d];
        for (size_t o = 0; o < operands; o++) w->strides[o][w->rank - 1] = strides[o][d];
    }
    if (w->rank == 0) {
        w->rank = 1;
        w->dims[0] = 1;
        for (size_t o = 0; o < operands; o++) w->strides[o][0] = 1;
    }
    for (size_t o = 0; o < operands; o++) w->offset[o] = 0;
    w->left = end > begin ? end - begin : 0;
    for (size_t d = w->rank; d-- > 0;) {
        w->index[d] = w->dims[d] ? begin % w->dims[d] : 0;
        begin = w->dims[d] ? begin / w->dims[d] : 0;
        for (size_t o = 0; o < operands; o++) w->offset[o] += (ptrdiff_t)w->index[d] * w->strides[o][d];
    }
}

/// Length of the run at the current place (0: done).
static inline size_t nd_run(const nd_walk *w) {
    return ck_min(w->left, w->dims[w->rank - 1] - w->index[w->rank - 1]);
}

/// Moves past a run of n elements.
static inline void nd_next(nd_walk *w, size_t n) {
    size_t d = w->rank - 1;
    w->left -= n;
    w->index[d] += n;
    for (size_t o = 0; o < w->operands; o++) w->offset[o] += (ptrdiff_t)n * w->strides[o][d];
    while (w->index[d] == w->dims[d] && d > 0) {
        for (size_t o = 0; o < w->operands; o++)
            w->offset[o] += w->strides[o][d - 1] - (ptrdiff_t)w->dims[d] * w->strides[o][d];
        w->index[d] = 0;
        w->index[--d]++;
    }
}

#endif
