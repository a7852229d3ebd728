// GridSample (KIND 0) and RoiAlign (KIND 1). Behind elements.cuh, rows.cuh. X, Y, GRID: codes of the types of images, results, places.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;
typedef Coded<GRID>::type Place;

#if KIND == 0
struct Grid {
    const Input *x;
    const Place *grid;
    Output *y;
    /// Positions of all images; positions of one; channels.
    i64 count;
    int positions, channels;
    /// Depth, height, width; a flat image has the depth 1 and `rank` 2, a line the rank 1.
    int size[3], rank;
    /// 0 nearest, 1 linear, 2 cubic. 0 zeros, 1 border, 2 reflection.
    int mode, padding, aligned;
};

DEVICE float reflected(const Grid &a, float x, int size) {
    const float low = a.aligned ? 0.0f : -0.5f, high = a.aligned ? size - 1.0f : size - 0.5f, range = high - low;
    if (range <= 0) return low;
    if (x >= low && x <= high) return x;
    const float distance = x < low ? low - x : x - high, turns = truncf(distance / range), rest = distance - turns * range;
    const bool even = fmodf(turns, 2.0f) == 0;
    return (x < low) == even ? low + rest : high - rest;
}

/// The index that padding gives a tap; -1: a zero.
DEVICE int resolved(const Grid &a, int at, int size) {
    if (at >= 0 && at < size) return at;
    if (a.padding == 0) return -1;
    const int other = a.padding == 1 ? at : (int)reflected(a, (float)at, size);
    return min(max(other, 0), size - 1);
}

DEVICE float cubic(float x) {
    const float a = -0.75f;
    return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0.0f;
}

/// The taps of one axis at a normalized coordinate.
struct Taps {
    int count, at[4];
    float weight[4];
    DEVICE Taps() {
        count = 1;
        at[0] = 0;
        weight[0] = 1;
    }
    DEVICE Taps(const Grid &a, float n, int size) {
        float place = a.aligned ? (n + 1) / 2 * (size - 1) : ((n + 1) * size - 1) / 2;
        place = place != place ? -2.0f : fminf(fmaxf(place, -0x1p30f), 0x1p30f);
        if (a.mode == 0) place = rintf(place);
        const float low = a.aligned ? 0.0f : -0.5f, high = a.aligned ? size - 1.0f : size - 0.5f;
        if (place < low || place > high) {
            if (a.padding == 1) place = fminf(fmaxf(place, 0.0f), size - 1.0f);
            if (a.padding == 2) place = reflected(a, place, size);
        }
        const float floor = floorf(place), ratio = place - floor;
        const int first = (int)floor;
        count = a.mode == 0 ? 1 : a.mode == 1 ? 2 : 4;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (a.mode == 0) {
                at[i] = resolved(a, (int)place, size);
                weight[i] = 1;
            } else if (a.mode == 1) {
                at[i] = resolved(a, first + i, size);
                weight[i] = i == 0 ? 1 - ratio : ratio;
            } else {
                at[i] = resolved(a, first - 1 + i, size);
                weight[i] = cubic(fabsf(ratio + 1 - i));
            }
        }
    }
};

/// A thread for one position of the channels blockIdx.y, blockIdx.y + gridDim.y, ...
extern "C" __global__ void grid_sample(const Grid a) {
    wait_for_others();
    const i64 index = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (index >= a.count) return;
    const i64 item = index / a.positions, position = index % a.positions;
    const Place *g = a.grid + index * a.rank;
    const Taps w(a, (float)widen(g[0]), a.size[2]);
    const Taps h = a.rank > 1 ? Taps(a, (float)widen(g[1]), a.size[1]) : Taps();
    const Taps d = a.rank > 2 ? Taps(a, (float)widen(g[2]), a.size[0]) : Taps();
    const i64 plane = (i64)a.size[0] * a.size[1] * a.size[2];
    for (int c = blockIdx.y; c < a.channels; c += gridDim.y) {
        const Input *x = a.x + (item * a.channels + c) * plane;
        float sum = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (i >= d.count || d.at[i] < 0) continue;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                if (j >= h.count || h.at[j] < 0) continue;
                const float weight = d.weight[i] * h.weight[j];
                const Input *line = x + ((i64)d.at[i] * a.size[1] + h.at[j]) * a.size[2];
#pragma unroll
                for (int k = 0; k < 4; k++)
                    if (k < w.count && w.at[k] >= 0 && weight * w.weight[k] != 0) sum += weight * w.weight[k] * (float)widen(line[w.at[k]]);
            }
        }
        a.y[(item * a.channels + c) * a.positions + position] = rounded<Output>(sum);
    }
}
#else
struct Regions {
    const Input *x;
    const Place *boxes;
    const i64 *items;
    Output *y;
    i64 count;
    int batch, channels, height, width, rows, columns, ratio;
    float scale;
    int greatest, half_pixel;
};

/// A thread a result, [region, channel, row, column]. A region of an item that is not there gives zeros.
extern "C" __global__ void roi_align(const Regions a) {
    wait_for_others();
    const i64 index = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (index >= a.count) return;
    const int column = (int)(index % a.columns), row = (int)(index / a.columns % a.rows);
    const i64 map = index / a.columns / a.rows, region = map / a.channels;
    const float offset = a.half_pixel ? 0.5f : 0.0f;
    const Place *box = a.boxes + 4 * region;
    const float x0 = (float)widen(box[0]) * a.scale - offset, y0 = (float)widen(box[1]) * a.scale - offset;
    float width = (float)widen(box[2]) * a.scale - offset - x0, height = (float)widen(box[3]) * a.scale - offset - y0;
    if (!a.half_pixel) {
        width = fmaxf(width, 1);
        height = fmaxf(height, 1);
    }
    const float cell_width = width / a.columns, cell_height = height / a.rows;
    const int across = a.ratio > 0 ? a.ratio : (int)ceilf(cell_width), down = a.ratio > 0 ? a.ratio : (int)ceilf(cell_height);
    const i64 item = a.items[region];
    float sum = 0, most = -INFINITE;
    if (item >= 0 && item < a.batch) {
        const Input *plane = a.x + (item * a.channels + map % a.channels) * a.height * a.width;
        for (int i = 0; i < down; i++) {
            const float py = y0 + row * cell_height + (i + 0.5f) * cell_height / down;
            for (int j = 0; j < across; j++) {
                const float px = x0 + column * cell_width + (j + 0.5f) * cell_width / across;
                float parts[4] = {0, 0, 0, 0};
                if (py >= -1 && py <= a.height && px >= -1 && px <= a.width) {
                    float y = fmaxf(py, 0), x = fmaxf(px, 0);
                    int top = (int)y, left = (int)x, bottom = top + 1, right = left + 1;
                    if (top >= a.height - 1) y = top = bottom = a.height - 1;
                    if (left >= a.width - 1) x = left = right = a.width - 1;
                    const float dy = y - top, dx = x - left;
                    parts[0] = (1 - dy) * (1 - dx) * (float)widen(plane[top * a.width + left]);
                    parts[1] = (1 - dy) * dx * (float)widen(plane[top * a.width + right]);
                    parts[2] = dy * (1 - dx) * (float)widen(plane[bottom * a.width + left]);
                    parts[3] = dy * dx * (float)widen(plane[bottom * a.width + right]);
                }
                sum += parts[0] + parts[1] + parts[2] + parts[3];
                most = fmaxf(most, fmaxf(fmaxf(parts[0], parts[1]), fmaxf(parts[2], parts[3])));
            }
        }
    }
    const float result = a.greatest ? (most == -INFINITE ? 0.0f : most) : sum / max(across * down, 1);
    a.y[index] = rounded<Output>(result);
}
#endif
