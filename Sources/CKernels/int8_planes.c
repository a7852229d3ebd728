// Images of three planes of bytes made channels last: what the first layer of a network reads.
#ifndef CK_TIER
#include "include/ck_int8.h"
#include "internal.h"
#define CK_SELF "int8_planes.c"
#include "tiers.h"

void ck_int8_interleave(void *out, const void *in, size_t plane, size_t begin, size_t end) { CK_CALL(interleave, out, in, plane, begin, end); }

#else
static void T(interleave)(uint8_t *restrict out, const uint8_t *restrict in, size_t plane, size_t begin, size_t end) {
    while (begin < end) {
        const size_t item = begin / plane, first = begin % plane, count = ck_min(end - begin, plane - first);
        const uint8_t *a = in + 3 * item * plane + first, *b = a + plane, *c = b + plane;
        uint8_t *to = out + 3 * begin;
        for (size_t i = 0; i < count; i++) {
            to[3 * i] = a[i];
            to[3 * i + 1] = b[i];
            to[3 * i + 2] = c[i];
        }
        begin += count;
    }
}
#endif
