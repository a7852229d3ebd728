// A tile of a convolution's image and filters in shared memory: rows of 128 bytes of depth, copied tap by tap. The macros are conv_mma.cu's.
#pragma once

#ifndef SPLITS
#define SPLITS 1
#endif
#ifndef VOLUME
#define VOLUME 0
#endif
#ifndef WGMMA
#define WGMMA 0
#endif

using element = TypeOf<ELEMENT>::type;

constexpr int CHUNK = 16 / sizeof(element);
constexpr int BK = 128 / sizeof(element);
constexpr int THREADS = 32 * WARPS_M * WARPS_N;
constexpr int COPY_ROWS = THREADS / 8;  // that all threads copy at once, 16 bytes each
constexpr int ROWS_A = BM / COPY_ROWS, ROWS_B = BN / COPY_ROWS;
constexpr int STAGE = (BM + BN) * 128;
constexpr int WM = BM / WARPS_M, WN = BN / WARPS_N;
constexpr int PITCH = BN + 8;  // floats from row to row of the sums
constexpr int OUTSIDE = -(1 << 30);
static_assert(BM % COPY_ROWS == 0 && BN % COPY_ROWS == 0 && WM % 16 == 0 && WN % 16 == 0 && BM % SPLITS == 0, "tile");
static_assert(THREADS % (BN / 8) == 0, "stores");
static_assert(!WGMMA || WARPS_N == 1 && WARPS_M % 4 == 0 && BM % (WARPS_M * 16) == 0 && ELEMENT < 2, "warpgroups");

DEVICE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }
DEVICE void copy16(u32 to, const void *from, int bytes) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
DEVICE void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int pending> DEVICE void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory"); }

/// Where 16 bytes of a row lie: the eight of eight rows meet each bank once, however they are read.
DEVICE u32 place(int row, int chunk) { return row * 128 + ((chunk ^ (row & 7)) << 4); }

/// What a thread copies of the left side: 16 bytes of each of ROWS_A rows, the same of all.
struct Image {
    const element *x;
    int offset[ROWS_A], w[ROWS_A], h[ROWS_A];
#if VOLUME
    int d[ROWS_A];
#endif
    int c, kw, kh, kd;

    DEVICE void begin(const ConvParams &p, const element *image, int first_row, int k) {
        x = image;
        const int row = first_row + threadIdx.x / 8;
#pragma unroll
        for (int i = 0; i < ROWS_A; i++) {
            const int m = row + i * COPY_ROWS;
            u32 position, rest, column;
            const int item = p.positions.split(m, position);
            const int depth = p.plane.split(position, rest);
            const int height = p.line.split(rest, column);
            w[i] = (int)column * p.stride[2] - p.pad[2];
            h[i] = m < p.rows ? height * p.stride[1] - p.pad[1] : OUTSIDE;
            const int z = depth * p.stride[0] - p.pad[0];
#if VOLUME
            d[i] = z;
#endif
            offset[i] = m < p.rows ? (((item * p.in[0] + z) * p.in[1] + h[i]) * p.in[2] + w[i]) * p.pitch : 0;
        }
        c = k;
        kw = kh = kd = 0;
        if (c >= p.channels) {
            const int tap = c / p.channels;
            c -= tap * p.channels;
            kw = tap % p.kernel[2];
            kh = tap / p.kernel[2];
            kd = kh / p.kernel[1];
            kh -= kd * p.kernel[1];
        }
    }

    DEVICE void copy(const ConvParams &p, u32 to) const {
        const int dy = kh * p.dilation[1], dx = kw * p.dilation[2];
#if VOLUME
        const int dz = kd * p.dilation[0];
        const int shift = ((dz * p.in[1] + dy) * p.in[2] + dx) * p.pitch + c;
#else
        const int shift = (dy * p.in[2] + dx) * p.pitch + c;
#endif
        const bool inside = kd < p.kernel[0];
#pragma unroll
        for (int i = 0; i < ROWS_A; i++) {
            bool valid = inside && (u32)(h[i] + dy) < (u32)p.in[1] && (u32)(w[i] + dx) < (u32)p.in[2];
#if VOLUME
            valid = valid && (u32)(d[i] + dz) < (u32)p.in[0];
#endif
            copy16(to + i * COPY_ROWS * 128, x + (valid ? offset[i] + shift : 0), valid ? 16 : 0);
        }
    }

    DEVICE void advance(const ConvParams &p) {
        c += BK;
        while (c >= p.channels) {
            c -= p.channels;
            if (++kw == p.kernel[2]) {
                kw = 0;
                if (++kh == p.kernel[1]) {
                    kh = 0;
                    kd++;
                }
            }
        }
    }
};

/// What a thread copies of the filters.
struct Filters {
    const element *row;
    int k, left;  // rows that there are from the thread's first on

    DEVICE void begin(const ConvParams &p, const element *w, int first_row, int first) {
        const int n = first_row + threadIdx.x / 8;
        k = first;
        left = p.n - n;
        row = w + (left > 0 ? (i64)n * p.k : 0);
    }
    DEVICE void copy(const ConvParams &p, u32 to) const {
#pragma unroll
        for (int i = 0; i < ROWS_B; i++) {
            const bool valid = i * COPY_ROWS < left && k < p.k;
            copy16(to + i * COPY_ROWS * 128, valid ? row + (i64)(i * COPY_ROWS) * p.k + k : row, valid ? 16 : 0);
        }
    }
    DEVICE void advance() { k += BK; }
};

#if SPLITS > 1
DEVICE void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
DEVICE void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }
DEVICE float4 load_of(u32 address, u32 block) {
    u32 there;
    float4 x;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(block));
    asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(x.x), "=f"(x.y), "=f"(x.z), "=f"(x.w) : "r"(there) : "memory");
    return x;
}
#endif

DEVICE void load_matrices(u32 (&r)[4], u32 from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
}
