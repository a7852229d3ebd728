// One filter a channel, channels last: a thread has eight channels of WIDTH positions of a line, and loads each column of the window once
// for all of them.
//
// ELEMENT: of the image, 0 float16, 1 bfloat16, 2 float32; OUT, ADDED as in conv_mma.cu. KERNEL_W, STRIDE_W: compile-time along the line;
// dilation along the line 1. Filters are float32 [taps, channels].
using element = TypeOf<ELEMENT>::type;
using out_element = TypeOf<OUT>::type;
using added_element = TypeOf<ADDED>::type;

struct DepthwiseParams {
    int count;      // threads: batch * lines * columns * channels / 8
    int channels;
    int in[2], out[2];
    int kernel, stride, dilation, pad_h, pad_w;  // kernel, stride, dilation: across lines
    Divider parts, columns, lines;  // channels / 8; groups of WIDTH positions of a line; lines of an item
    float p0, p1;
};

extern "C" __global__ void __launch_bounds__(128)
    conv_depthwise(const element *x, const float *w, const float *bias, const added_element *added, out_element *y,
                   const DepthwiseParams p) {
    let_others_start();
    wait_for_others();
    const u32 i = blockIdx.x * 128 + threadIdx.x;
    if (i >= (u32)p.count) return;
    u32 part, group, line;
    const u32 item = p.lines.split(p.columns.split(p.parts.split(i, part), group), line);
    const int channel = part * 8, column = group * WIDTH;
    const int h0 = (int)line * p.stride - p.pad_h, w0 = column * STRIDE_W - p.pad_w;
    constexpr int COLUMNS = (WIDTH - 1) * STRIDE_W + KERNEL_W;
    float sums[WIDTH][8];
#pragma unroll
    for (int o = 0; o < WIDTH; o++)
#pragma unroll
        for (int e = 0; e < 8; e++) sums[o][e] = 0;
    for (int kh = 0; kh < p.kernel; kh++) {
        const int h = h0 + kh * p.dilation;
        if ((u32)h >= (u32)p.in[0]) continue;
        const element *row = x + ((i64)(item * p.in[0] + h) * p.in[1]) * p.channels + channel;
        float f[KERNEL_W][8];
#pragma unroll
        for (int k = 0; k < KERNEL_W; k++) load8(f[k], w + (kh * KERNEL_W + k) * p.channels + channel);
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            const int v = w0 + c;
            if ((u32)v >= (u32)p.in[1]) continue;
            float pixel[8];
            load8(pixel, row + (i64)v * p.channels);
#pragma unroll
            for (int o = 0; o < WIDTH; o++) {
                const int k = c - o * STRIDE_W;
                if (k < 0 || k >= KERNEL_W) continue;
#pragma unroll
                for (int e = 0; e < 8; e++) sums[o][e] = fmaf(pixel[e], f[k][e], sums[o][e]);
            }
        }
    }
    float b[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (bias) load8(b, bias + channel);
    const i64 at = ((i64)(item * p.out[0] + line) * p.out[1] + column) * p.channels + channel;
#pragma unroll
    for (int o = 0; o < WIDTH; o++) {
        if (column + o >= p.out[1]) break;
        float z[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        if (added) load8(z, added + at + (i64)o * p.channels);
#pragma unroll
        for (int e = 0; e < 8; e++) sums[o][e] = activate<ACTIVATION>(sums[o][e] + b[e] + z[e], p.p0, p.p1);
        store8(y + at + (i64)o * p.channels, sums[o]);
    }
}
