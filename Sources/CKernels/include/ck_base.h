// Common ground of the CKernels headers.
//
// Rules that hold for every function here unless its comment says otherwise:
//  * Pointers need only the natural alignment of their element type. Sizes, strides and offsets count elements.
//  * No kernel allocates, locks, or starts threads. A kernel with [begin, end) works on that slice of its outer index
//    space only, so that a thread pool may split the work; results do not depend on how it is split.
//  * Arguments are trusted: the caller has checked shapes, bounds and scratch sizes.
//  * Arrays that a kernel writes must not overlap those it reads, unless "may equal" is said (same pointer, not shifted).
#ifndef CK_BASE_H
#define CK_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Largest tensor rank that the N-d kernels take (axes are merged before the limit matters).
#define CK_MAX_RANK 8

#endif
