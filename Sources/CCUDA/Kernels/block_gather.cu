// Rows of a table of 2, 4 or 8 bits as numbers: to[i][j] = (code[index[i]][j] - zero) * scale; zeros where an index is none of the table's.
// Macros: BITS, SIGNED, WIDE (indices are int64), ZEROS (packed as the codes), MIDDLE (where there are none), SCALE, RESULT.
// Launch: ceil(length / 256) by count (at most 65535) blocks of 256 threads.

DEVICE int code_at(const u8 *codes, i64 place) {
    const int code = codes[place * BITS / 8] >> (place * BITS % 8) & ((1 << BITS) - 1);
    return SIGNED ? (code ^ 1 << (BITS - 1)) - (1 << (BITS - 1)) : code;
}

extern "C" __global__ void __launch_bounds__(256)
block_gather(const u8 *codes, const void *indices, const ByNumber<SCALE>::type *scales, const u8 *zeros, result *to, i64 count, i64 rows,
             int length, int block, int blocks, int zero_pitch) {
    wait_for_others();
    const int at = blockIdx.x * 256 + threadIdx.x;
    if (at >= length) return;
    for (i64 i = blockIdx.y; i < count; i += gridDim.y) {
        const i64 index = WIDE ? ((const i64 *)indices)[i] : ((const int *)indices)[i], row = index < 0 ? index + rows : index;
        float x = 0;
        if (row >= 0 && row < rows) {
            const int zero = ZEROS ? code_at(zeros, row * zero_pitch + at / block) : MIDDLE;
            x = (code_at(codes, row * length + at) - zero) * (float)widen(scales[row * blocks + at / block]);
        }
        to[i * length + at] = narrow<result>(x);
    }
}
