// Weights of 4 or 8 bits as numbers: to[n][k] = (code - zero) * scale, eight a thread. Macros: BITS, BOOK, MIDDLE, ZEROS, SCALE as in
// block_skinny.cu, RESULT. Launch: ceil(k / 1024) by n (at most 65535) blocks of 128 threads.

extern "C" __global__ void __launch_bounds__(128)
block_unpack(const u8 *codes, const ByNumber<SCALE>::type *scales, const float *zeros, const float *book, result *to, i64 n, int k, int pitch,
             int blocks, int block) {
    wait_for_others();
    const int at = (blockIdx.x * 128 + threadIdx.x) * 8;
    if (at >= k) return;
    for (i64 row = blockIdx.y; row < n; row += gridDim.y) {
        u32 words[BITS / 4];
#pragma unroll
        for (int i = 0; i < BITS / 4; i++) words[i] = *(const u32 *)(codes + row * pitch + at / 8 * BITS + 4 * i);
        Pack<result, 8> out;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const i64 place = row * blocks + min((at + i) / block, blocks - 1);
            const int code = words[i * BITS / 32] >> (i * BITS % 32) & ((1 << BITS) - 1);
#if BOOK
            const float x = book[code];
#elif ZEROS
            const float x = code - zeros[place];
#else
            const float x = code - MIDDLE;
#endif
            out.at[i] = narrow<result>(x * (float)widen(scales[place]));
        }
        if (k % 8 == 0) {
            *(Pack<result, 8> *)(to + row * k + at) = out;
        } else {
            for (int i = 0; i < 8 && at + i < k; i++) to[row * k + at + i] = out.at[i];
        }
    }
}
