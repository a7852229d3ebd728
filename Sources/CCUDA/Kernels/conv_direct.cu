// Convolution by definition, one sum a thread: for groups too narrow for products, in either layout.
//
// IN, FILTER, OUT, ADDED: types of image, filters, result and what is added to it.
using in_element = TypeOf<IN>::type;
using filter_element = TypeOf<FILTER>::type;
using out_element = TypeOf<OUT>::type;
using added_element = TypeOf<ADDED>::type;

struct DirectParams {
    int count;               // sums
    int channels, of_group;  // channels and filters of a group
    int in[3], kernel[3], stride[3], dilation[3], pad[3];
    int planar_in, planar;
    int all_in, all;                         // channels of image and result
    Divider positions, channel, plane, line;  // of the result: positions of an item, channels
    float p0, p1;
};

extern "C" __global__ void __launch_bounds__(256)
    conv_direct(const in_element *x, const filter_element *w, const float *bias, const added_element *added, out_element *y,
                const DirectParams p) {
    let_others_start();
    wait_for_others();
    const u32 i = blockIdx.x * 256 + threadIdx.x;
    if (i >= (u32)p.count) return;
    u32 position, n, item, rest, column;
    if (p.planar) item = p.channel.split(p.positions.split(i, position), n);
    else item = p.positions.split(p.channel.split(i, n), position);
    const int z0 = (int)p.plane.split(position, rest) * p.stride[0] - p.pad[0];
    const int h0 = (int)p.line.split(rest, column) * p.stride[1] - p.pad[1];
    const int w0 = (int)column * p.stride[2] - p.pad[2];
    const i64 plane = (i64)p.in[0] * p.in[1] * p.in[2];
    const int first = (int)n / p.of_group * p.channels, taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    const in_element *image = x + (p.planar_in ? ((i64)item * p.all_in + first) * plane : (i64)item * plane * p.all_in + first);
    const i64 pixel = p.planar_in ? 1 : p.all_in, channel = p.planar_in ? plane : 1;
    const filter_element *filter = w + (i64)n * p.channels * taps;
    float sum = 0;
    for (int kz = 0, tap = 0; kz < p.kernel[0]; kz++) {
        const int z = z0 + kz * p.dilation[0];
        for (int kh = 0; kh < p.kernel[1]; kh++) {
            const int h = h0 + kh * p.dilation[1];
            for (int kw = 0; kw < p.kernel[2]; kw++, tap++) {
                const int v = w0 + kw * p.dilation[2];
                if ((u32)z >= (u32)p.in[0] || (u32)h >= (u32)p.in[1] || (u32)v >= (u32)p.in[2]) continue;
                const in_element *at = image + (((i64)z * p.in[1] + h) * p.in[2] + v) * pixel;
                const filter_element *f = filter + tap;
                for (int c = 0; c < p.channels; c++) sum = fmaf(widen(at[c * channel]), widen(f[(i64)c * taps]), sum);
            }
        }
    }
    if (bias) sum += bias[n];
    if (added) sum += widen(added[i]);
    y[i] = narrow<out_element>(activate<ACTIVATION>(sum, p.p0, p.p1));
}
