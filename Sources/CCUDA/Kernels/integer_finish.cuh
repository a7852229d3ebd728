// What becomes of the int32 sums of 8-bit products. Macros: A_SIGNED, B_SIGNED, RESULT (5 int32, 1 float, 9 int8, 10 uint8), Z (0, 1, 9, 10),
// FOLDS (the factor of a column has 1 / y_scale in it, else that follows the activation), ACTIVATION. Every step is rounded by itself.
#pragma once

/// NULL: absent. `*_step`: 0 for one number, 1 for one a column.
struct IntegerFinish {
    const float *a_scale, *b_scale;
    const u8 *a_zero, *b_zero;
    const int *bias;
    const float *addend, *y_scale;
    const u8 *y_zero;
    const void *z;
    const float *z_scale;
    const u8 *z_zero;
    /// Sums of B's columns, n a matrix, and of A's rows, m a matrix, where they are needed.
    const int *column_sums, *row_sums;
    int b_scale_step, b_zero_step, addend_step;
    float alpha, p0, p1;
};

DEVICE int code_of(const u8 *code, bool is_signed) { return !code ? 0 : is_signed ? (int)(i8)*code : (int)*code; }

/// What a column adds to its sums, and its factor.
struct IntegerColumn {
    int added, b_zero;
    float factor, addend;
};

DEVICE IntegerColumn column_of(const IntegerFinish &f, int column, const int *column_sums, int k) {
    IntegerColumn c;
    const int a_zero = code_of(f.a_zero, A_SIGNED);
    c.b_zero = f.b_zero ? code_of(f.b_zero + column * f.b_zero_step, B_SIGNED) : 0;
    c.added = (f.bias ? f.bias[column] : 0) + k * a_zero * c.b_zero - (a_zero ? a_zero * column_sums[column] : 0);
    float factor = f.a_scale ? *f.a_scale : 1.0f;
    if (f.alpha != 1) factor = __fmul_rn(f.alpha, factor);
    if (f.b_scale) factor = __fmul_rn(factor, f.b_scale[column * f.b_scale_step]);
    if (FOLDS && f.y_scale) factor = __fdiv_rn(factor, *f.y_scale);
    c.factor = factor;
    c.addend = f.addend ? f.addend[column * f.addend_step] : 0.0f;
    return c;
}

/// What all elements share, read before any of them is written: the result's bytes could be anything's.
struct IntegerScalars {
    float y_factor, z_scale;
    int y_zero, z_zero;
};

DEVICE IntegerScalars scalars_of(const IntegerFinish &f) {
    IntegerScalars s = {1, 1, 0, 0};
#if RESULT == 9 || RESULT == 10
    s.y_zero = code_of(f.y_zero, RESULT == 9);
    if (!FOLDS) s.y_factor = __fdiv_rn(1.0f, *f.y_scale);
#endif
#if Z > 1
    s.z_scale = *f.z_scale, s.z_zero = code_of(f.z_zero, Z == 9);
#endif
    return s;
}

#if Z == 1
typedef float z_element;
#else
typedef u8 z_element;
#endif

/// What is added at an element; 0 where nothing is.
DEVICE float z_of(const IntegerFinish &f, const IntegerScalars &s, z_element z) {
#if Z == 1
    return z;
#elif Z
    return __fmul_rn((float)(Z == 9 ? (int)(i8)z : (int)z) - (float)s.z_zero, s.z_scale);
#else
    return 0;
#endif
}

/// `z`: what z_of gave.
DEVICE result finish(const IntegerFinish &f, const IntegerScalars &s, const IntegerColumn &c, int sum, int row_sum, float z) {
    sum += c.added - c.b_zero * row_sum;
#if RESULT == 5
    return sum;
#else
    float x = __fmul_rn((float)sum, c.factor);
    if (f.addend) x = __fadd_rn(x, c.addend);
    if (Z) x = __fadd_rn(x, z);
    x = activate(x, f.p0, f.p1);
#if RESULT == 1
    return x;
#else
    const int least = RESULT == 9 ? -128 : 0, most = RESULT == 9 ? 127 : 255;
    if (!FOLDS) x = __fmul_rn(x, s.y_factor);
    const float rounded = rintf(x);
    const int whole = rounded != rounded ? 0 : (int)fminf(fmaxf(rounded, (float)(least - s.y_zero)), (float)(most - s.y_zero));
    return (result)(whole + s.y_zero);
#endif
#endif
}
