// Matrix-vector products beside a loop that only reads the same memory, two threads (or as many as named): `Tools/measure vectors`.
//   vector_rate [THREADS]
// A line for each working set and shape: MiB, k, n, GB/s read, then for each form its share of what a reading loop over its own memory reaches:
// the packed product of one row, rows as stored, columns as stored. The fastest of the rounds, in which all take turns; each is timed the second
// time in a row, so that what of its memory a cache holds is there for product and loop alike.
#include "CKernels.h"
#include "rate_team.h"

#include <stdio.h>

enum { ROUNDS = 25, FORMS = 5, READ = 0, PACKED, ROWS, COLUMNS, READ_PACKED };

static struct {
    int form;
    size_t k, n, matrices;
    float *plain, *packed, *x, *y;
    size_t packed_size;
    void *scratch[MOST_THREADS];
} shared;

/// Columns of a thread: whole panels of packed B.
static size_t edge(int thread) {
    const size_t nr = ck_gemm_nr(), panels = (shared.n + nr - 1) / nr, at = panels * (size_t)thread / (size_t)team.threads * nr;
    return at < shared.n ? at : shared.n;
}

static void multiply(int thread) {
    const size_t k = shared.k, n = shared.n, begin = edge(thread), end = edge(thread + 1);
    for (size_t i = 0; i < shared.matrices; i++) {
        const float *plain = shared.plain + i * k * n;
        switch (shared.form) {
        case READ: shared.y[begin] = ck_ceiling_read(plain + begin * k, (end - begin) * k); break;
        case READ_PACKED: {
            const size_t whole = shared.packed_size / n;
            shared.y[begin] = ck_ceiling_read(shared.packed + i * shared.packed_size + begin * whole, (end - begin) * whole);
            break;
        }
        case PACKED:
            ck_gemm_packed_f32(shared.y, n, shared.x, (ptrdiff_t)k, 1, shared.packed + i * shared.packed_size, n, k, 0, 1, begin, end, NULL,
                               shared.scratch[thread]);
            break;
        case ROWS: ck_gemv_rows_f32(shared.y, plain, k, shared.x, k, begin, end); break;
        case COLUMNS: ck_gemv_cols_f32(shared.y, shared.x, plain, n, k, begin, end); break;
        }
        meet();
    }
}

static void measure(int threads, double mib, size_t k, size_t n) {
    shared.k = k;
    shared.n = n;
    shared.matrices = (size_t)(mib * 0x1p20 / (double)(k * n * 4));
    if (!shared.matrices) shared.matrices = 1;
    shared.packed_size = ck_gemm_packed_size(k, n);
    const size_t floats = shared.matrices * k * n;
    shared.plain = aligned_alloc(64, (floats * 4 + 63) / 64 * 64);
    shared.packed = aligned_alloc(64, (shared.matrices * shared.packed_size * 4 + 63) / 64 * 64);
    shared.x = aligned_alloc(64, (k * 4 + 63) / 64 * 64);
    shared.y = aligned_alloc(64, (n * 4 + 63) / 64 * 64 + 64);
    if (!shared.plain || !shared.packed || !shared.x || !shared.y) exit(1);
    for (size_t i = 0; i < floats; i++) shared.plain[i] = (float)(i % 7) - 3;
    for (size_t i = 0; i < k; i++) shared.x[i] = (float)(i % 5) - 2;
    for (size_t i = 0; i < shared.matrices; i++) {
        ck_gemm_pack_b(shared.packed + i * shared.packed_size, shared.plain + i * k * n, (ptrdiff_t)n, 1, k, n, 0,
                       (n + ck_gemm_nr() - 1) / ck_gemm_nr());
    }
    for (int i = 0; i < threads; i++) shared.scratch[i] = malloc(ck_gemm_scratch_bytes(1, (ptrdiff_t)k, 1) + 64);
    begin_team(threads, multiply);
    double best[FORMS];
    time_in_turns(ROUNDS, FORMS, &shared.form, best);
    end_team();
    printf("%.0f %zu %zu %.1f %.3f %.3f %.3f\n", (double)floats * 4 / 0x1p20, k, n, (double)floats * 4 / best[READ] * 1e-9,
           best[READ_PACKED] / best[PACKED], best[READ] / best[ROWS], best[READ] / best[COLUMNS]);
    fflush(stdout);
    free(shared.plain), free(shared.packed), free(shared.x), free(shared.y);
    for (int i = 0; i < threads; i++) free(shared.scratch[i]);
}

int main(int argc, char **argv) {
    const int threads = threads_of(argc, argv);
    static const double sizes[] = {84, 538};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        // One matrix; and many that follow each other, as a decoder's layers do.
        measure(threads, sizes[i], 2048, (size_t)(sizes[i] * 0x1p20 / 4 / 2048) / 64 * 64);
        measure(threads, sizes[i], 576, 1536);
        measure(threads, sizes[i], 1536, 576);
    }
    return 0;
}
