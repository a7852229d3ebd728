// Convolution of 8-bit numbers by definition, with scales and zero points that a run brings: exact, one sum a thread.
struct IntegerDirectParams {
    int count;
    int channels, of_group;
    int in[3], kernel[3], stride[3], dilation[3], pad[3];
    int planar_in, planar;
    int all_in, all;
    int signed_x, signed_w, signed_y, signed_z;
    int zeros_w, scales_w, biases;  // how many: 0, 1 or one a filter
    int folds;                      // the result's scale goes into the factor
    Divider positions, channel, plane, line;
    IntegerParams e;
};

DEVICE int byte_of(const u8 *x, i64 i, int is_signed) { return is_signed ? (int)(i8)x[i] : (int)x[i]; }
DEVICE int zero_of(const u8 *x, i64 i, int is_signed) { return x ? byte_of(x, i, is_signed) : 0; }
DEVICE float scale_of(const float *x, i64 i) { return x ? x[i] : 1.0f; }

extern "C" __global__ void __launch_bounds__(256)
    conv_integer_direct(const u8 *x, const float *x_scale, const u8 *x_zero, const u8 *w, const float *w_scale, const u8 *w_zero,
                        const int *whole_bias, const float *bias, const float *y_scale, const u8 *y_zero, const void *added,
                        const float *added_scale, const u8 *added_zero, void *y, const IntegerDirectParams p) {
    let_others_start();
    wait_for_others();
    const u32 i = blockIdx.x * 256 + threadIdx.x;
    if (i >= (u32)p.count) return;
    u32 position, n, item, rest, column;
    if (p.planar) item = p.channel.split(p.positions.split(i, position), n);
    else item = p.positions.split(p.channel.split(i, n), position);
    const int z0 = (int)p.plane.split(position, rest) * p.stride[0] - p.pad[0];
    const int h0 = (int)p.line.split(rest, column) * p.stride[1] - p.pad[1];
    const int v0 = (int)column * p.stride[2] - p.pad[2];
    const i64 plane = (i64)p.in[0] * p.in[1] * p.in[2];
    const int first = (int)n / p.of_group * p.channels, taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    const u8 *image = x + (p.planar_in ? ((i64)item * p.all_in + first) * plane : (i64)item * plane * p.all_in + first);
    const i64 pixel = p.planar_in ? 1 : p.all_in, channel = p.planar_in ? plane : 1;
    const u8 *filter = w + (i64)n * p.channels * taps;
    const int zx = zero_of(x_zero, 0, p.signed_x), zw = zero_of(w_zero, p.zeros_w > 1 ? n : 0, p.signed_w);
    int sum = whole_bias ? whole_bias[n] : 0;
    for (int kz = 0, tap = 0; kz < p.kernel[0]; kz++) {
        const int z = z0 + kz * p.dilation[0];
        for (int kh = 0; kh < p.kernel[1]; kh++) {
            const int h = h0 + kh * p.dilation[1];
            for (int kw = 0; kw < p.kernel[2]; kw++, tap++) {
                const int v = v0 + kw * p.dilation[2];
                if ((u32)z >= (u32)p.in[0] || (u32)h >= (u32)p.in[1] || (u32)v >= (u32)p.in[2]) continue;
                const u8 *at = image + (((i64)z * p.in[1] + h) * p.in[2] + v) * pixel;
                for (int c = 0; c < p.channels; c++)
                    sum += (byte_of(at, c * channel, p.signed_x) - zx) * (byte_of(filter, (i64)c * taps + tap, p.signed_w) - zw);
            }
        }
    }
    IntegerParams e = p.e;
    float factor = __fmul_rn(scale_of(x_scale, 0), scale_of(w_scale, p.scales_w > 1 ? n : 0));
    if (p.folds) factor = __fdiv_rn(factor, scale_of(y_scale, 0));
    else e.inverse = __fdiv_rn(1.0f, scale_of(y_scale, 0));
    e.zero = zero_of(y_zero, 0, p.signed_y);
    e.added_scale = scale_of(added_scale, 0);
    e.added_zero = zero_of(added_zero, 0, p.signed_z);
    finish_integer(e, sum, factor, bias ? bias[p.biases > 1 ? n : 0] : 0.0f, added, y, i);
}
