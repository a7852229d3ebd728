#pragma once
#include "ck_base.h"

/// What one walk over floats tells. `minimum` and `maximum` mean nothing where `is_finite` is false.
typedef struct ck_summary {
    float minimum;
    float maximum;
    size_t zeros;  // of either sign
    bool is_finite;
} ck_summary;

/// n > 0.
void ck_summary_f32(ck_summary *_Nonnull summary, const CK_U(float) *_Nonnull in, size_t n);

/// Adds each number that is not zero to its bin: bin floor(x * scale) of `positive`, floor(-x * scale) of `negative`. `scale` is a power
/// of two, so no rounding moves a number to a neighbour. |x| * scale < bins <= 65536; `negative` may be null where no number is below 0.
/// `scratch` has 4 * bins entries, all 0, and is left so.
void ck_histogram_f32(uint64_t *_Nonnull positive, uint64_t *_Nullable negative, uint32_t *_Nonnull scratch, size_t bins, float scale,
                      const CK_U(float) *_Nonnull in, size_t n);

// The sum of squared errors of numbers that lie in the middle of bins of `width` (at sign * (i + 0.5) * width) after rounding to whole
// multiples of `step` from low * step to high * step. Where a bin is no narrower than a step they lose step^2 / 12 inside.
double ck_histogram_error(const uint64_t *_Nonnull counts, size_t bins, double sign, double width, double step, double low, double high);
