// What convolutions read: an image with its channels last, padded to whole copies of 16 bytes, in the type of the products; filters
// likewise where they are not constant.
//
// IN, ELEMENT: types of the source and of the result: 0 float16, 1 bfloat16, 2 float32, 3 bytes (both).
using in_element = TypeOf<IN>::type;
using element = TypeOf<ELEMENT>::type;

template <typename T> struct Convert {
    template <typename S> static DEVICE T of(S x) { return narrow<T>(widen(x)); }
};
template <> struct Convert<u8> {
    static DEVICE u8 of(u8 x) { return x; }
};

struct ImageParams {
    int count;     // threads: batch * groups * parts * positions of the result
    int groups, channels, padded;  // of a group as given and as made
    int part;      // elements that a thread writes: 16 bytes, or `padded` where that is less
    int planar;    // the source is [batch, channels, positions]
    int in[3], out[3], pad[3];
    int fill;      // where neither the source nor `zero` says what padding is
    Divider positions, parts, group, plane, line;  // of the result; parts of a group; groups; height * width; width
};

/// `zero`: what positions outside the source hold, bytes only.
extern "C" __global__ void __launch_bounds__(256) conv_image(const in_element *x, const u8 *zero, element *y, const ImageParams p) {
    let_others_start();
    wait_for_others();
    const u32 i = blockIdx.x * 256 + threadIdx.x;
    if (i >= (u32)p.count) return;
    u32 position, part, group, rest, column;
    const u32 line = p.positions.split(i, position);
    const u32 set = p.parts.split(line, part);
    const u32 item = p.group.split(set, group);
    const int z = (int)p.plane.split(position, rest) - p.pad[0];
    const int h = (int)p.line.split(rest, column) - p.pad[1];
    const int w = (int)column - p.pad[2];
    const bool inside = (u32)z < (u32)p.in[0] && (u32)h < (u32)p.in[1] && (u32)w < (u32)p.in[2];
    const i64 plane = (i64)p.in[0] * p.in[1] * p.in[2], place = ((i64)z * p.in[1] + h) * p.in[2] + w;
    const i64 all = (i64)p.groups * p.channels;
    const i64 first = (i64)group * p.channels + part * p.part;
    const in_element *from = x + (p.planar ? (item * all + first) * plane + place : (item * plane + place) * all + first);
    const i64 step = p.planar ? plane : 1;
    const int there = p.channels - (int)part * p.part;
    constexpr int MOST = 16 / sizeof(element);
    Pack<element, MOST> made;
#pragma unroll
    for (int e = 0; e < MOST; e++) {
#if ELEMENT == 3
        u8 value = zero ? *zero : (u8)p.fill;
#else
        element value = narrow<element>(0.0f);
#endif
        if (inside && e < p.part && e < there) value = Convert<element>::of(from[e * step]);
        made.at[e] = value;
    }
    element *to = y + (((i64)item * p.positions.divisor + position) * p.groups + group) * p.padded + part * p.part;
    if (p.part == MOST) *(Pack<element, MOST> *)to = made;
    else
#pragma unroll
        for (int e = 0; e < MOST; e += 4)
            if (e < p.part) *(Pack<element, 4> *)(to + e) = *(const Pack<element, 4> *)&made.at[e];
}

#if ELEMENT != 3
/// Filters [filters, channels, taps] to [filters, taps, padded]; `transposed`: from [groups, channels, filters of a group, taps], with tap
/// first + step * i as tap number i on each axis, counted down.
struct FilterParams {
    int count, channels, padded, taps;
    int transposed, of_group;
    int kernel[3], whole[3], first[3], step[3];
};
extern "C" __global__ void __launch_bounds__(256) conv_filters(const in_element *w, element *y, const FilterParams p) {
    let_others_start();
    wait_for_others();
    const int i = blockIdx.x * 256 + threadIdx.x;
    if (i >= p.count) return;
    const int c = i % p.padded, tap = i / p.padded % p.taps, filter = i / p.padded / p.taps;
    element value = narrow<element>(0.0f);
    if (c < p.channels) {
        const int x = tap % p.kernel[2], h = tap / p.kernel[2] % p.kernel[1], z = tap / p.kernel[2] / p.kernel[1];
        const int source = ((p.first[0] + p.step[0] * z) * p.whole[1] + p.first[1] + p.step[1] * h) * p.whole[2] + p.first[2] + p.step[2] * x;
        const int all = p.whole[0] * p.whole[1] * p.whole[2];
        const i64 row = p.transposed ? ((i64)(filter / p.of_group) * p.channels + c) * p.of_group + filter % p.of_group
                                     : (i64)filter * p.channels + c;
        value = Convert<element>::of(w[row * all + source]);
    }
    y[i] = value;
}
#endif
