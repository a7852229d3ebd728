// BatchNormalization in inference and LRN over [N, C, plane]. Behind elements.cuh, rows.cuh. X, Y: codes of the operands' types;
// SCALE, STATISTICS: of scale and bias, of mean and variance (0 in LRN). VEC divides the plane.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;

#if SCALE
struct BatchNorm {
    const Input *x;
    Output *y;
    const Coded<SCALE>::type *scale, *bias;
    const Coded<STATISTICS>::type *mean, *variance;
    i64 count;
    float epsilon;
    int channels;
    Divisor plane;
};

/// A thread for VEC elements.
extern "C" __global__ void batch_norm(const BatchNorm a) {
    wait_for_others();
    const i64 at = (blockIdx.x * (i64)blockDim.x + threadIdx.x) * VEC;
    if (at >= a.count) return;
    const int channel = (a.count < 0x7fffffff ? (i64)a.plane.quotient((u32)at) : at / a.plane.value) % a.channels;
    const float factor = (float)widen(a.scale[channel]) / sqrtf((float)widen(a.variance[channel]) + a.epsilon);
    const float mean = widen(a.mean[channel]), bias = widen(a.bias[channel]);
    float v[VEC];
    load<VEC>(a.x + at, v);
#pragma unroll
    for (int i = 0; i < VEC; i++) v[i] = (v[i] - mean) * factor + bias;
    store<VEC>(a.y + at, v);
}
#else
struct Response {
    const Input *x;
    Output *y;
    i64 count;
    float alpha, beta, bias;
    int before, after, channels, plane;
};

/// x / (bias + alpha * sum of squares over neighbouring channels)^beta, a thread for VEC elements.
extern "C" __global__ void local_response(const Response a) {
    wait_for_others();
    const i64 at = (blockIdx.x * (i64)blockDim.x + threadIdx.x) * VEC;
    if (at >= a.count) return;
    const int channel = (int)(at / a.plane % a.channels);
    float v[VEC], other[VEC], sum[VEC];
#pragma unroll
    for (int i = 0; i < VEC; i++) sum[i] = 0;
    for (int c = max(channel - a.before, 0); c <= min(channel + a.after, a.channels - 1); c++) {
        load<VEC>(a.x + at + (i64)(c - channel) * a.plane, other);
#pragma unroll
        for (int i = 0; i < VEC; i++) sum[i] += other[i] * other[i];
    }
    load<VEC>(a.x + at, v);
#pragma unroll
    for (int i = 0; i < VEC; i++) v[i] *= powf(a.bias + a.alpha * sum[i], -a.beta);
    store<VEC>(a.y + at, v);
}
#endif
