// What is moved without being looked at: WIDTH bytes (1, 2, 4, 8, 16) at an address that is a multiple of them.
// Behind elements.cuh and division.cuh.
#pragma once

template <int BYTES>
struct UnitOf;
template <>
struct UnitOf<1> {
    typedef u8 type;
};
template <>
struct UnitOf<2> {
    typedef u16 type;
};
template <>
struct UnitOf<4> {
    typedef u32 type;
};
template <>
struct UnitOf<8> {
    typedef uint2 type;
};
template <>
struct UnitOf<16> {
    typedef uint4 type;
};
typedef UnitOf<WIDTH>::type Unit;

/// Indices of a tensor, int32 or int64. Counted from the end where negative; beyond the axis the nearest there is.
struct Indices {
    const void *base;
    u32 isWide, extent;

    DEVICE i64 given(u32 place) const { return isWide ? ((const i64 *)base)[place] : ((const int *)base)[place]; }
    DEVICE u32 at(u32 place) const {
        i64 index = given(place);
        if (index < 0) index += extent;
        return index < 0 ? 0 : index >= extent ? extent - 1 : (u32)index;
    }
};
