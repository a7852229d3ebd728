// Few rows by weights of 4 or 8 bits: y[m][n] = finish(sum over k of x[m][k] * (code[n][k] - zero[n][group]) * scale[n][group]). The codes
// are read once and multiplied on tensor cores as they are, exactly; zero and scale follow in float32. Macros: X (type of x), BITS (4, 8),
// BOOK (1: a code stands for book[code], rounded to the factors' type), MIDDLE (what codes count from), ZEROS (1: or from numbers a block), SCALE (type), GROUPS
// (m is up to 8 * GROUPS), WARPS (which share the depth), and those of Finish.
// k in memory is a multiple of 32 and blocks are multiples of 32; codes are unsigned, low bits first. x of float32 is multiplied as the sum
// of two bfloat16 numbers, which leaves an error of 2^-17.
// Launch: ceil(n / 16) blocks of WARPS * 32 threads.

typedef ByNumber<X>::type x_type;
typedef ByNumber<SCALE>::type scale_type;
constexpr int PIECES = X == 1 ? 2 : 1;
#if X == 2
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#define ONES 0x3c003c00u
#else
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#define ONES 0x3f803f80u
#endif
DEVICE void multiply(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm volatile(MMA " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
template <int bytes> struct Codes { u32 word[bytes / 4]; };
DEVICE Codes<4> load_codes(const u8 *from, Codes<4> *) {
    Codes<4> x;
    asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(x.word[0]) : "l"(from));
    return x;
}
DEVICE Codes<8> load_codes(const u8 *from, Codes<8> *) {
    Codes<8> x;
    asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(x.word[0]), "=r"(x.word[1]) : "l"(from));
    return x;
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

/// Eight codes as four pairs: (j, j + 4) of 4 bits, (2j, 2j + 1) of 8; less `middle`, which four bits may have at no cost.
DEVICE void widen_codes(u32 (&to)[4], const Codes<BITS> &codes, const u32 *book) {
#if BOOK
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const u32 pair = codes.word[0] >> (4 * j);
        to[j] = book[(pair & 15) | (pair >> 12 & 0xf0)];
    }
#elif BITS == 4
#pragma unroll
    for (int j = 0; j < 4; j++) {
#if X == 2
        // 1024 + code, less 1024 + MIDDLE
        const u32 raised = (codes.word[0] >> (4 * j) & 0x000f000f) | 0x64006400;
        asm("sub.f16x2 %0, %1, %2;" : "=r"(to[j]) : "r"(raised), "r"((0x6400u + MIDDLE) * 0x10001u));
#else
        // 128 + code, less 128 + MIDDLE
        const u32 raised = (codes.word[0] >> (4 * j) & 0x000f000f) | 0x43004300;
        asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(to[j]) : "r"(raised), "r"(0x3f803f80u), "r"((0xc300u + MIDDLE) * 0x10001u));
#endif
    }
#else
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const u32 pair = codes.word[j / 2] >> (16 * (j % 2));
        to[j] = two((float)((int)(pair & 255) - MIDDLE), (float)((int)(pair >> 8 & 255) - MIDDLE));
    }
#endif
}

/// Eight elements of x in the order of the codes' pairs, in PIECES.
DEVICE void load_x(u32 (&to)[PIECES][4], const x_type *from, bool there) {
#if X == 1
    float v[8] = {};
    if (there) {
        *(float4 *)v = *(const float4 *)from;
        *(float4 *)(v + 4) = *(const float4 *)(from + 4);
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const float low = v[BITS == 4 ? j : 2 * j], high = v[BITS == 4 ? j + 4 : 2 * j + 1];
        to[0][j] = two(low, high);
        to[1][j] = two(low - __uint_as_float(to[0][j] << 16), high - __uint_as_float(to[0][j] & 0xffff0000));
    }
#else
    uint4 v = make_uint4(0, 0, 0, 0);
    if (there) v = *(const uint4 *)from;
#if BITS == 4
    to[0][0] = __byte_perm(v.x, v.z, 0x5410), to[0][1] = __byte_perm(v.x, v.z, 0x7632);
    to[0][2] = __byte_perm(v.y, v.w, 0x5410), to[0][3] = __byte_perm(v.y, v.w, 0x7632);
#else
    to[0][0] = v.x, to[0][1] = v.y, to[0][2] = v.z, to[0][3] = v.w;
#endif
#endif
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
block_skinny(const x_type *x, const u8 *codes, const scale_type *scales, const float *zeros, const float *book, result *y, int m, int n, int k,
             int pitch, int blocks, int block, const Finish f) {
    wait_for_others();
    __shared__ float all[WARPS][16][8 * GROUPS + 1];
#if BOOK
    __shared__ u32 table[256];
    for (int i = threadIdx.x; i < 256; i += WARPS * 32) table[i] = two(book[i & 15], book[i >> 4]);
    __syncthreads();
#else
    const u32 *table = nullptr;
#endif
    typedef Codes<BITS> Eight;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4, first = blockIdx.x * 16;
    const int rows[2] = {min(first + g, n - 1), min(first + g + 8, n - 1)};
    const u8 *from[2] = {codes + (i64)rows[0] * pitch + t * BITS, codes + (i64)rows[1] * pitch + t * BITS};
    float sums[GROUPS][4] = {};
    constexpr int UNROLL = 4;
    const int steps = (k + 31) / 32;
    for (int start = warp * UNROLL; start < steps; start += WARPS * UNROLL) {
        Eight w[UNROLL][2];
        float scale[UNROLL][2];
#pragma unroll
        for (int i = 0; i < UNROLL; i++) {
            const int step = min(start + i, steps - 1);
#pragma unroll
            for (int h = 0; h < 2; h++) {
                w[i][h] = load_codes(from[h] + step * (4 * BITS), (Eight *)nullptr);
                scale[i][h] = start + i < steps ? (float)widen(scales[(i64)rows[h] * blocks + step * 32 / block]) : 0.0f;
            }
        }
#pragma unroll
        for (int i = 0; i < UNROLL; i++) {
            const int step = min(start + i, steps - 1), at = step * 32 + t * 8;
            u32 a[2][4];
            widen_codes(a[0], w[i][0], table);
            widen_codes(a[1], w[i][1], table);
#pragma unroll
            for (int j = 0; j < GROUPS; j++) {
                const int row = j * 8 + g;
                u32 b[PIECES][4];
                load_x(b, x + (i64)row * k + at, row < m && at < k);
                float part[4] = {};
#if ZEROS
                float total[4] = {};
#endif
#pragma unroll
                for (int p = 0; p < PIECES; p++) {
                    multiply(part, a[0][0], a[1][0], a[0][1], a[1][1], b[p][0], b[p][1]);
                    multiply(part, a[0][2], a[1][2], a[0][3], a[1][3], b[p][2], b[p][3]);
#if ZEROS
                    multiply(total, ONES, ONES, ONES, ONES, b[p][0], b[p][1]);
                    multiply(total, ONES, ONES, ONES, ONES, b[p][2], b[p][3]);
#endif
                }
#pragma unroll
                for (int e = 0; e < 4; e++) {
#if ZEROS
                    const float less = zeros[(i64)rows[e / 2] * blocks + step * 32 / block] - MIDDLE;
                    part[e] = fmaf(-less, total[e], part[e]);
#endif
                    sums[j][e] = fmaf(scale[i][e / 2], part[e], sums[j][e]);
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
