// Few rows by weights of 4 or 8 bits: y[m][n] = finish(sum over k of x[m][k] * (code[n][k] - zero[n][group]) * scale[n][group]). The codes
// are read once and multiplied on tensor cores as they are, exactly; zero and scale follow in float32. Macros: X (type of x), BITS (4, 8),
// BOOK (1: a code stands for book[code], rounded to the factors' type), MIDDLE (what codes count from), ZEROS (1: or from numbers a block),
// SCALE (type), SPAN (a thread takes 8 * SPAN codes at once: 1, 2 or 4 of 4 bits, 1 or 2 of 8), GROUPS (m is up to 8 * GROUPS), WARPS (which
// share the depth), and those of Finish.
// Blocks are multiples of 32 * SPAN, k of 8 * SPAN; rows of codes begin at multiples of BITS * SPAN bytes and are unsigned, low bits first; what
// lies behind k may be read. x of float32 is multiplied as the sum of two bfloat16 numbers, which leaves an error of 2^-17.
// Launch: ceil(n / 16) blocks of WARPS * 32 threads.

typedef ByNumber<X>::type x_type;
typedef ByNumber<SCALE>::type scale_type;
constexpr int PIECES = X == 1 ? 2 : 1, WORDS = BITS * SPAN / 4, STEP = 32 * SPAN, UNROLL = SPAN == 4 ? 2 : SPAN == 2 ? 3 : 4;
#if X == 2
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#define ONES 0x3c003c00u
#else
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#define ONES 0x3f803f80u
#endif
DEVICE void multiply(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm(MMA " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
DEVICE u32 two(float low, float high) {
    u32 both;
#if X == 2
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#endif
    return both;
}

DEVICE void load_codes(u32 (&to)[WORDS], const u8 *from) {
    if constexpr (WORDS == 1) {
        to[0] = __ldg((const u32 *)from);
    } else if constexpr (WORDS == 2) {
        const uint2 v = __ldg((const uint2 *)from);
        to[0] = v.x, to[1] = v.y;
    } else {
        const uint4 v = __ldg((const uint4 *)from);
        to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    }
}

/// Eight codes as four pairs: (j, j + 4) of 4 bits, (2j, 2j + 1) of 8; less MIDDLE.
DEVICE void widen_codes(u32 (&to)[4], const u32 *codes, const u32 *book) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
#if BOOK
        const u32 pair = codes[0] >> (4 * j);
        to[j] = book[(pair & 15) | (pair >> 12 & 0xf0)];
#elif BITS == 8
        const u32 pair = codes[j / 2] >> (16 * (j % 2));
        to[j] = two((float)((int)(pair & 255) - MIDDLE), (float)((int)(pair >> 8 & 255) - MIDDLE));
#elif X == 2
        // 1024 + code, less 1024 + MIDDLE
        const u32 raised = (codes[0] >> (4 * j) & 0x000f000f) | 0x64006400;
        asm("sub.f16x2 %0, %1, %2;" : "=r"(to[j]) : "r"(raised), "r"((0x6400u + MIDDLE) * 0x10001u));
#else
        // 128 + code, less 128 + MIDDLE
        const u32 raised = (codes[0] >> (4 * j) & 0x000f000f) | 0x43004300;
        asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(to[j]) : "r"(raised), "r"(0x3f803f80u), "r"((0xc300u + MIDDLE) * 0x10001u));
#endif
    }
}

/// Eight elements of x as they lie, zeros where there are none.
struct Eight {
    uint4 low;
#if X == 1
    uint4 high;
#endif
};
DEVICE Eight load_x(const x_type *from, bool there) {
    Eight v;
    v.low = there ? __ldg((const uint4 *)from) : make_uint4(0, 0, 0, 0);
#if X == 1
    v.high = there ? __ldg((const uint4 *)from + 1) : make_uint4(0, 0, 0, 0);
#endif
    return v;
}
/// In the order of the codes' pairs, in PIECES.
DEVICE void order_x(u32 (&to)[PIECES][4], const Eight &x) {
    const uint4 v = x.low;
#if X == 1
    const float f[8] = {__uint_as_float(v.x),      __uint_as_float(v.y),      __uint_as_float(v.z),      __uint_as_float(v.w),
                        __uint_as_float(x.high.x), __uint_as_float(x.high.y), __uint_as_float(x.high.z), __uint_as_float(x.high.w)};
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const float low = f[BITS == 4 ? j : 2 * j], high = f[BITS == 4 ? j + 4 : 2 * j + 1];
        to[0][j] = two(low, high);
        to[1][j] = two(low - __uint_as_float(to[0][j] << 16), high - __uint_as_float(to[0][j] & 0xffff0000));
    }
#elif BITS == 4
    to[0][0] = __byte_perm(v.x, v.z, 0x5410), to[0][1] = __byte_perm(v.x, v.z, 0x7632);
    to[0][2] = __byte_perm(v.y, v.w, 0x5410), to[0][3] = __byte_perm(v.y, v.w, 0x7632);
#else
    to[0][0] = v.x, to[0][1] = v.y, to[0][2] = v.z, to[0][3] = v.w;
#endif
}

extern "C" __global__ void __launch_bounds__(WARPS * 32, 1024 / (WARPS * 32))
block_skinny(const x_type *x, const u8 *codes, const scale_type *scales, const float *zeros, const float *book, result *y, int m, int n, int k,
             int pitch, int blocks, int block, const Finish f) {
    __shared__ float all[WARPS][16][8 * GROUPS + 1];
#if BOOK
    __shared__ u32 table[256];
    for (int i = threadIdx.x; i < 256; i += WARPS * 32) table[i] = two(book[i & 15], book[i >> 4]);
    __syncthreads();
#else
    const u32 *table = nullptr;
#endif
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4, first = blockIdx.x * 16;
    const int rows[2] = {min(first + g, n - 1), min(first + g + 8, n - 1)};
    const u8 *from[2] = {codes + (i64)rows[0] * pitch + t * BITS * SPAN, codes + (i64)rows[1] * pitch + t * BITS * SPAN};
    float sums[GROUPS][4] = {};
    const int steps = (k + STEP - 1) / STEP;
    for (int start = warp * UNROLL; start < steps; start += WARPS * UNROLL) {
        u32 w[UNROLL][2][WORDS];
        scale_type scale[UNROLL][2];
        Eight v[UNROLL][SPAN];
#pragma unroll
        for (int i = 0; i < UNROLL; i++) {
            const int step = min(start + i, steps - 1), group = step * STEP / block;
#pragma unroll
            for (int h = 0; h < 2; h++) {
                load_codes(w[i][h], from[h] + step * (BITS * SPAN * 4));
                scale[i][h] = scales[(i64)rows[h] * blocks + group];
            }
#pragma unroll
            for (int s = 0; s < SPAN; s++) {
                const int at = (start + i) * STEP + (t * SPAN + s) * 8;
                v[i][s] = load_x(x + (i64)g * k + at, g < m && at < k);
            }
        }
#pragma unroll
        for (int i = 0; i < UNROLL; i++) {
            const int step = min(start + i, steps - 1);
            float part[GROUPS][4] = {};
#if ZEROS
            float total[GROUPS][4] = {};
#endif
#pragma unroll
            for (int s = 0; s < SPAN; s++) {
                u32 a[2][4];
                widen_codes(a[0], w[i][0] + s * (BITS / 4), table);
                widen_codes(a[1], w[i][1] + s * (BITS / 4), table);
#pragma unroll
                for (int j = 0; j < GROUPS; j++) {
                    if (j > 0) {
                        const int row = j * 8 + g, at = (start + i) * STEP + (t * SPAN + s) * 8;
                        v[i][s] = load_x(x + (i64)row * k + at, row < m && at < k);
                    }
                    u32 b[PIECES][4];
                    order_x(b, v[i][s]);
#pragma unroll
                    for (int p = 0; p < PIECES; p++) {
                        multiply(part[j], a[0][0], a[1][0], a[0][1], a[1][1], b[p][0], b[p][1]);
                        multiply(part[j], a[0][2], a[1][2], a[0][3], a[1][3], b[p][2], b[p][3]);
#if ZEROS
                        multiply(total[j], ONES, ONES, ONES, ONES, b[p][0], b[p][1]);
                        multiply(total[j], ONES, ONES, ONES, ONES, b[p][2], b[p][3]);
#endif
                    }
                }
            }
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const float factor = (float)widen(scale[i][e / 2]);
#if ZEROS
                const float less = zeros[(i64)rows[e / 2] * blocks + step * STEP / block] - MIDDLE;
#endif
#pragma unroll
                for (int j = 0; j < GROUPS; j++) {
#if ZEROS
                    part[j][e] = fmaf(-less, total[j][e], part[j][e]);
#endif
                    sums[j][e] = fmaf(factor, part[j][e], sums[j][e]);
                }
            }
        }
    }
#pragma unroll
    for (int j = 0; j < GROUPS; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) all[warp][g + i / 2 * 8][j * 8 + t * 2 + i % 2] = sums[j][i];
    __syncthreads();
    for (int index = threadIdx.x; index < 16 * m; index += WARPS * 32) {
        const int column = first + index % 16, row = index / 16;
        if (column >= n) continue;
        float sum = 0;
#pragma unroll
        for (int i = 0; i < WARPS; i++) sum += all[i][index % 16][row];
        y[(i64)row * n + column] = narrow<result>(finish(f, sum, row, column));
    }
}
