// Division of indices by what a launch does not change. Behind elements.cuh.
#pragma once

/// By 1 ... 2^31 - 1, of numbers below 2^31. The host makes it (`IndexDivision`).
struct Division {
    u32 divisor, factor, shift;

    DEVICE u32 quotient(u32 x) const { return (__umulhi(x, factor) + x) >> shift; }
    /// Leaves the quotient in `x`; returns the remainder.
    DEVICE u32 split(u32 &x) const {
        u32 whole = quotient(x), rest = x - whole * divisor;
        x = whole;
        return rest;
    }
};
