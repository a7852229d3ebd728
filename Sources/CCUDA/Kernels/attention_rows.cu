// Rows of heads from one layout and type of float to another: new keys and values into a cache, a past into a present, operands whose
// type is not the attention kernel's. On the way they may be rotated as RotaryEmbedding does it.
//
// Grid: (blocks, jobs), 256 threads. In front of this text: elements.cuh.

#ifndef JOBS
#define JOBS 4
#endif

/// `rows` rows of `size` elements for each of `batch` items and `heads` heads. Strides count elements; the last axis is contiguous.
struct RowsJob {
    const void *from;
    void *to;
    i64 from_batch, from_head, from_row;
    i64 to_batch, to_head, to_row;
    int batch, heads, rows, size;
    int from_type, to_type;  // 0: float16, 1: bfloat16, 2: float32
    int wide;                // 1: addresses, strides, `size`, and half a rotation's, are multiples of eight elements
    int rotated;             // 1: by the angles of the rows
};

/// The angles of row t of item b are row b * batch + t, or row positions[b * rows + t], of the tables: `half` elements.
struct Rotation {
    const void *cosines, *sines;
    const i64 *positions;  // NULL: none
    int batch, half;
    int type;              // of the tables
    int interleaved;       // 1: elements 2 i and 2 i + 1 are a pair; else i and i + half
    int table_rows;
    int unused;
};

struct RowsParams {
    RowsJob jobs[JOBS];
    Rotation rotation;
};

DEVICE float load_one(const void *from, i64 at, int type) {
    if (type == 2) return ((const float *)from)[at];
    return type == 0 ? widen(((const half *)from)[at]) : widen(((const bf16 *)from)[at]);
}
DEVICE void store_one(void *to, i64 at, int type, float x) {
    if (type == 2) ((float *)to)[at] = x;
    else if (type == 0) ((half *)to)[at] = narrow<half>(x);
    else ((bf16 *)to)[at] = narrow<bf16>(x);
}

struct Eight {
    float at[8];
};

template <typename T> DEVICE void load_narrow(Eight &x, const void *from, i64 at) {
    const Pack<T, 8> packed = *(const Pack<T, 8> *)((const T *)from + at);
#pragma unroll
    for (int i = 0; i < 8; i++) x.at[i] = widen(packed.at[i]);
}
template <typename T> DEVICE void store_narrow(void *to, i64 at, const Eight &x) {
    Pack<T, 8> packed;
#pragma unroll
    for (int i = 0; i < 8; i++) packed.at[i] = narrow<T>(x.at[i]);
    *(Pack<T, 8> *)((T *)to + at) = packed;
}

DEVICE void load_eight(Eight &x, const void *from, i64 at, int type) {
    if (type == 2) {
        const float4 *source = (const float4 *)((const float *)from + at);
        const float4 low = source[0], high = source[1];
        x.at[0] = low.x, x.at[1] = low.y, x.at[2] = low.z, x.at[3] = low.w;
        x.at[4] = high.x, x.at[5] = high.y, x.at[6] = high.z, x.at[7] = high.w;
    } else if (type == 0) {
        load_narrow<half>(x, from, at);
    } else {
        load_narrow<bf16>(x, from, at);
    }
}
DEVICE void store_eight(void *to, i64 at, int type, const Eight &x) {
    if (type == 2) {
        float4 *target = (float4 *)((float *)to + at);
        target[0] = make_float4(x.at[0], x.at[1], x.at[2], x.at[3]);
        target[1] = make_float4(x.at[4], x.at[5], x.at[6], x.at[7]);
    } else if (type == 0) {
        store_narrow<half>(to, at, x);
    } else {
        store_narrow<bf16>(to, at, x);
    }
}

/// First of the angles of a row, an element of the tables.
DEVICE i64 angles_of(const Rotation &r, u32 batch, u32 row, u32 rows) {
    i64 at = (i64)batch * r.batch + row;
    if (r.positions) {
        at = r.positions[(i64)batch * rows + row];
        if (at < 0) at += r.table_rows;
        at = at < 0 ? 0 : at >= r.table_rows ? r.table_rows - 1 : at;
    }
    return at * r.half;
}

/// Element `column` of a row, which begins at `from`, rotated.
DEVICE float rotate_one(const Rotation &r, const RowsJob &job, i64 from, int column, i64 angles) {
    const float x = load_one(job.from, from + column, job.from_type);
    if (column >= 2 * r.half) return x;
    const int angle = r.interleaved ? column / 2 : column % r.half;
    const bool second = r.interleaved ? column % 2 : column >= r.half;
    const int other = r.interleaved ? column ^ 1 : second ? column - r.half : column + r.half;
    const float c = load_one(r.cosines, angles + angle, r.type), s = load_one(r.sines, angles + angle, r.type);
    const float y = load_one(job.from, from + other, job.from_type);
    return second ? y * s + x * c : x * c - y * s;
}

/// The same of eight elements.
DEVICE void rotate_eight(const Rotation &r, const RowsJob &job, i64 from, int column, i64 angles, Eight &x) {
    load_eight(x, job.from, from + column, job.from_type);
    if (column >= 2 * r.half) return;
    if (r.interleaved) {
#pragma unroll
        for (int i = 0; i < 8; i += 2) {
            const i64 at = angles + (column + i) / 2;
            const float c = load_one(r.cosines, at, r.type), s = load_one(r.sines, at, r.type), a = x.at[i], b = x.at[i + 1];
            x.at[i] = a * c - b * s;
            x.at[i + 1] = a * s + b * c;
        }
        return;
    }
    const bool second = column >= r.half;
    Eight y, c, s;
    load_eight(y, job.from, from + (second ? column - r.half : column + r.half), job.from_type);
    load_eight(c, r.cosines, angles + column % r.half, r.type);
    load_eight(s, r.sines, angles + column % r.half, r.type);
#pragma unroll
    for (int i = 0; i < 8; i++) x.at[i] = second ? y.at[i] * s.at[i] + x.at[i] * c.at[i] : x.at[i] * c.at[i] - y.at[i] * s.at[i];
}

extern "C" __global__ void __launch_bounds__(256) attention_rows(const __grid_constant__ RowsParams p) {
    wait_for_others();
    const RowsJob &job = p.jobs[blockIdx.y];
    const u32 chunks = job.wide ? job.size / 8 : job.size;
    const u32 count = chunks * job.rows * job.heads * job.batch;
    for (u32 i = blockIdx.x * 256 + threadIdx.x; i < count; i += gridDim.x * 256) {
        const u32 line = i / chunks, column = (i - line * chunks) * (job.wide ? 8 : 1);
        const u32 pair = line / job.rows, row = line - pair * job.rows;
        const u32 batch = pair / job.heads, head = pair - batch * job.heads;
        const i64 start = batch * job.from_batch + head * job.from_head + row * job.from_row, from = start + column;
        const i64 to = batch * job.to_batch + head * job.to_head + row * job.to_row + column;
        if (job.rotated) {
            const i64 angles = angles_of(p.rotation, batch, row, job.rows);
            if (job.wide) {
                Eight x;
                rotate_eight(p.rotation, job, start, column, angles, x);
                store_eight(job.to, to, job.to_type, x);
            } else {
                store_one(job.to, to, job.to_type, rotate_one(p.rotation, job, start, column, angles));
            }
        } else if (!job.wide) {
            store_one(job.to, to, job.to_type, load_one(job.from, from, job.from_type));
        } else if (job.from_type == job.to_type && job.to_type != 2) {
            *(uint4 *)((u16 *)job.to + to) = *(const uint4 *)((const u16 *)job.from + from);
        } else {
            Eight x;
            load_eight(x, job.from, from, job.from_type);
            store_eight(job.to, to, job.to_type, x);
        }
    }
}
