// Observing floats: least, greatest, zeros, and how often they fall into bins.
#ifndef CK_TIER
#include "include/ck_observe.h"
#include "internal.h"

#define CK_SELF "observe.c"
#include "tiers.h"

void ck_summary_f32(ck_summary *summary, const CK_U(float) *in, size_t n) { CK_CALL(summary, summary, in, n); }

void ck_histogram_f32(uint64_t *positive, uint64_t *negative, uint32_t *scratch, size_t bins, float scale, const CK_U(float) *in,
                      size_t n) {
    // Counts of 32 bits hold what one block adds.
    const size_t most = (size_t)1 << 30;
    for (size_t begin = 0; begin < n; begin += most) {
        const size_t count = n - begin < most ? n - begin : most;
        size_t zeros = 0;
        CK_CALL(bins, &zeros, scratch, bins, scale, in + begin, count);
        for (size_t i = 0; i < bins; i++) {
            positive[i] += (uint64_t)scratch[i] + scratch[2 * bins + i];
            scratch[i] = scratch[2 * bins + i] = 0;
        }
        positive[0] -= zeros;
        if (!negative) continue;
        for (size_t i = 0; i < bins; i++) {
            negative[i] += (uint64_t)scratch[bins + i] + scratch[3 * bins + i];
            scratch[bins + i] = scratch[3 * bins + i] = 0;
        }
    }
}

double ck_histogram_error(const uint64_t *counts, size_t bins, double sign, double width, double step, double low, double high) {
    const double inverse = 1 / step, inside = step * step / 12;
    const int is_wide = width >= step;
    double sum = 0;
    for (size_t i = 0; i < bins; i++) {
        if (!counts[i]) continue;
        const double x = sign * ((double)i + 0.5) * width, rounded = __builtin_rint(x * inverse);
        const double code = rounded < low ? low : rounded > high ? high : rounded, error = x - code * step;
        sum += (double)counts[i] * (is_wide && code > low && code < high ? inside : error * error);
    }
    return sum;
}

#else

static void T(summary)(ck_summary *restrict summary, const CK_U(float) *restrict in, size_t n) {
    size_t i = 0, zeros = 0;
    float minimum = in[0], maximum = in[0];
    uint32_t top = 0;
    while (i + W <= n) {
        // A lane of 32 bits counts the zeros of one block.
        const size_t rest = (n - i) / W, steps = rest < 1u << 20 ? rest : 1u << 20;
        vf low = LD(in + i), high = low;
        vu largest = (vu)(low) & 0x7fffffff;
        vi found = {0};
        for (size_t s = 0; s < steps; s++, i += W) {
            const vf x = LD(in + i);
            const vu magnitude = (vu)x & 0x7fffffff;
            low = __builtin_elementwise_min(low, x);
            high = __builtin_elementwise_max(high, x);
            largest = __builtin_elementwise_max(largest, magnitude);
            found -= (vi)(x == 0.0f);
        }
        for (size_t j = 0; j < W; j++) {
            minimum = low[j] < minimum ? low[j] : minimum;
            maximum = high[j] > maximum ? high[j] : maximum;
            top = largest[j] > top ? largest[j] : top;
            zeros += (size_t)found[j];
        }
    }
    for (; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, (const void *)(in + i), 4);
        bits &= 0x7fffffff;
        minimum = in[i] < minimum ? in[i] : minimum;
        maximum = in[i] > maximum ? in[i] : maximum;
        top = bits > top ? bits : top;
        zeros += in[i] == 0.0f;
    }
    summary->minimum = minimum;
    summary->maximum = maximum;
    summary->zeros = zeros;
    summary->is_finite = top < 0x7f800000;
}

/// Neighbours go to different tables: numbers that repeat would wait for each other's sums. Zeros, counted apart, are in bin 0, too.
static void T(bins)(size_t *restrict zero_count, uint32_t *restrict tables, size_t bins, float scale, const CK_U(float) *restrict in, size_t n) {
    enum { BLOCK = 64 };
    uint32_t places[BLOCK] __attribute__((aligned(64)));
    size_t zeros = 0, i = 0;
    const uint32_t other = (uint32_t)bins;
    for (; i + BLOCK <= n; i += BLOCK) {
        vi found = {0};
        for (size_t j = 0; j < BLOCK; j += W) {
            const vf x = LD(in + i + j);
            const vu below = (vu)(x < 0.0f);
            const vi place = __builtin_convertvector(__builtin_elementwise_abs(x) * scale, vi);
            found -= (vi)(x == 0.0f);
            STI(places + j, place + (vi)(below & other));
        }
        for (size_t j = 0; j < BLOCK; j += 2) {
            tables[places[j]]++;
            tables[2 * bins + places[j + 1]]++;
        }
        for (size_t j = 0; j < W; j++) zeros += (size_t)found[j];
    }
    for (; i < n; i++) {
        const float x = in[i];
        tables[(size_t)((x < 0 ? -x : x) * scale) + (x < 0 ? bins : 0)]++;
        zeros += x == 0.0f;
    }
    *zero_count = zeros;
}

#endif
