// Tiles of matrices in shared memory, for mma.sync. sm_80 and newer.
#pragma once

/// Begins to copy `LINES` lines of `WIDTH` elements; what lies behind `lines` and `width` becomes zero.
template <int LINES, int WIDTH, int PITCH, int COPY, int THREADS, typename T>
DEVICE void copy_tile(u32 to, const T *from, i64 stride, int lines, int width) {
    constexpr int SIZE = sizeof(T), each = COPY / SIZE, chunks = WIDTH / each;
#pragma unroll 4
    for (int i = 0; i < (LINES * chunks + THREADS - 1) / THREADS; i++) {
        const int index = threadIdx.x + i * THREADS;
        if (LINES * chunks % THREADS && index >= LINES * chunks) break;
        const int line = index / chunks, at = index % chunks * each;
        const int left = line < lines ? min(max(width - at, 0), each) : 0;
        const T *source = left > 0 ? from + line * stride + at : from;
        const u32 place = to + line * PITCH + at * SIZE;
        if (COPY == 16) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(source), "r"(left * SIZE) : "memory");
        } else if (COPY >= 4) {
            asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(place), "l"(source), "r"(left * SIZE), "n"(COPY >= 4 ? COPY : 4)
                         : "memory");
        } else if (COPY == 2) {
            const u16 x = left == each ? *(const u16 *)source : left ? *(const u8 *)source : 0;
            asm volatile("st.shared.u16 [%0], %1;" ::"r"(place), "h"(x) : "memory");
        } else {
            const u16 x = left ? *(const u8 *)source : 0;
            asm volatile("st.shared.u8 [%0], %1;" ::"r"(place), "h"(x) : "memory");
        }
    }
}

template <int turned> DEVICE void load_matrices(u32 (&r)[4], u32 from) {
    if (turned)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
}

/// Which tile a block has: blocks that run at once work on a square of tiles, eight tiles of rows, then the next columns.
DEVICE int2 tile_of(int block, int down, int across) {
    const int band = block / (8 * across), height = min(8, down - band * 8), inside = block - band * 8 * across;
    return make_int2(band * 8 + inside % height, inside / height);
}
