// ReverseSequence: the first `lengths` elements along one of the first two axes the other way round, a length for each index of the other.
// Block 256. Behind units.cuh.

struct Arguments {
    const Unit *from;
    Unit *to;
    Indices lengths;
    u32 count, isTimeFirst;
    /// Units behind the second axis; extents of the second and the first.
    Division inner, second;
};

extern "C" __global__ void __launch_bounds__(256) reverse_sequence(const __grid_constant__ Arguments a) {
    wait_for_others();
    const u32 place = blockIdx.x * 256 + threadIdx.x;
    if (place >= a.count) return;
    u32 first = place;
    u32 i = a.inner.split(first), second = a.second.split(first);
    u32 &time = a.isTimeFirst ? first : second;
    i64 length = a.lengths.given(a.isTimeFirst ? second : first);
    if (time < length && length <= a.lengths.extent) time = (u32)length - 1 - time;
    a.to[place] = a.from[(first * a.second.divisor + second) * a.inner.divisor + i];
}
