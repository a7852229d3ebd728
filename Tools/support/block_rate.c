// Products of one row with weights of few bits beside loops that only read the same bytes: `Tools/measure blocks`.
//   block_rate [THREADS [BITS [GROUP]]]
// A line for each decoder: its name, MB of packed weights a token, ms of the products, GB/s that the products, a loop over one run a thread and a
// loop over four runs a thread read. All matrices of a token follow each other, with a meeting of the threads behind each, and behind the making of
// the row that it is multiplied with. The fastest of the rounds, in which all take turns.
#include "CKernels.h"
#include "rate_team.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 40, FORMS = 3, PRODUCT = 0, READ_ONE, READ_FOUR, MOST_MATRICES = 512 };

typedef struct layer_matrix {
    size_t k, n;
} layer_matrix;

/// A decoder: `layers` times its matrices, then the one of the logits.
typedef struct decoder {
    const char *name;
    size_t layers, count;
    layer_matrix matrices[5], last;
} decoder;

static const decoder decoders[] = {
    {"smollm2-135m", 30, 5, {{576, 960}, {576, 576}, {576, 1536}, {576, 1536}, {1536, 576}}, {576, 49152}},
    {"llama-3.2-1b", 16, 5, {{2048, 3072}, {2048, 2048}, {2048, 8192}, {2048, 8192}, {8192, 2048}}, {2048, 128256}},
};

static struct {
    int form;
    size_t count;
    ck_nbits weights[MOST_MATRICES];
    uint8_t *packed[MOST_MATRICES];
    float *x, *y;
    uint8_t *row;
    float seen[MOST_THREADS];
} shared;

static size_t panels_of(const ck_nbits *w) { return (w->n + CK_NBITS_COLUMNS - 1) / CK_NBITS_COLUMNS; }

/// `count` floats as four runs side by side, 512 bytes of each at a time.
static float read_four(const float *at, size_t count) {
    enum { STEP = 128 };
    const size_t run = count / 4 / STEP * STEP;
    float seen = 0;
    for (size_t i = 0; i < run; i += STEP) {
        for (size_t q = 0; q < 4; q++) seen += ck_ceiling_read(at + q * run + i, STEP);
    }
    return seen + ck_ceiling_read(at + 4 * run, count - 4 * run);
}

static void token(int thread) {
    const size_t threads = (size_t)team.threads, part = (size_t)thread;
    float seen = 0;
    for (size_t i = 0; i < shared.count; i++) {
        const ck_nbits *w = shared.weights + i;
        const size_t panels = panels_of(w), begin = panels * part / threads, end = panels * (part + 1) / threads;
        if (shared.form == PRODUCT) {
            if (thread == 0) ck_nbits_rows(shared.row, w, shared.x, w->k, 0, 1);
            meet();
            ck_nbits_run(w, shared.packed[i], shared.row, shared.y, w->n, NULL, 0, 1, begin, end);
        } else {
            const size_t panel = ck_nbits_packed_bytes(w) / panels / sizeof(float);
            const float *at = (const float *)shared.packed[i] + begin * panel;
            const size_t count = (end - begin) * panel;
            seen += shared.form == READ_ONE ? ck_ceiling_read(at, count) : read_four(at, count);
        }
        meet();
    }
    shared.seen[thread] = seen;
}

static void *memory(size_t bytes) {
    void *at = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!at) exit(1);
    return at;
}

enum { NOISE = 1 << 20 };

/// NOISE bytes for codes, none of a pattern that a product could profit from.
static const uint8_t *noise(void) {
    static uint8_t bytes[NOISE];
    static bool is_filled;
    uint32_t state = 1;
    for (size_t i = 0; i < NOISE && !is_filled; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    is_filled = true;
    return bytes;
}

/// One more matrix of a token, packed; its bytes. Runs of columns that the noise is enough for have the same codes.
static size_t add(layer_matrix m, int bits, size_t group) {
    static const float scale = 0.0078125f;
    if (shared.count == MOST_MATRICES) exit(1);
    ck_nbits *w = shared.weights + shared.count;
    *w = (ck_nbits){.k = m.k, .n = m.n, .bits = bits, .group = group, .has_halves = true};
    const size_t bytes = ck_nbits_packed_bytes(w), panels = panels_of(w);
    const size_t most = NOISE * 8 / (size_t)bits / m.k / CK_NBITS_COLUMNS;
    const ck_nbits_source from = {.codes = noise(), .code_k = 1, .code_n = m.k, .scales = &scale};
    uint8_t *packed = shared.packed[shared.count] = memory(bytes);
    for (size_t panel = 0; panel < panels; panel += most) {
        ck_nbits part = *w;
        const size_t count = panels - panel < most ? panels - panel : most;
        part.n = count * CK_NBITS_COLUMNS;
        ck_nbits_pack(packed + panel * (bytes / panels), &part, &from, 0, count);
    }
    shared.count++;
    return bytes;
}

static void measure(int threads, const decoder *model, int bits, size_t group) {
    shared.count = 0;
    size_t bytes = add(model->last, bits, group), depth = model->last.k, width = model->last.n;
    for (size_t i = 0; i < model->layers * model->count; i++) {
        const layer_matrix m = model->matrices[i % model->count];
        bytes += add(m, bits, group);
        if (m.k > depth) depth = m.k;
        if (m.n > width) width = m.n;
    }
    const ck_nbits deepest = {.k = depth, .n = width, .bits = bits, .group = group};
    shared.x = memory(depth * sizeof(float)), shared.y = memory(width * sizeof(float)), shared.row = memory(ck_nbits_row_bytes(&deepest));
    for (size_t i = 0; i < depth; i++) shared.x[i] = (float)(i % 13) - 6;
    begin_team(threads, token);
    double best[FORMS];
    time_in_turns(ROUNDS, FORMS, &shared.form, best);
    end_team();
    const double gigabytes = (double)bytes * 1e-9;
    printf("%s %.1f %.3f %.1f %.1f %.1f\n", model->name, gigabytes * 1000, best[PRODUCT] * 1000, gigabytes / best[PRODUCT],
           gigabytes / best[READ_ONE], gigabytes / best[READ_FOUR]);
    fflush(stdout);
    for (size_t i = 0; i < shared.count; i++) free(shared.packed[i]);
    free(shared.x), free(shared.y), free(shared.row);
}

int main(int argc, char **argv) {
    const int threads = threads_of(argc, argv), bits = argc > 2 ? atoi(argv[2]) : 4;
    const long group = argc > 3 ? atol(argv[3]) : 32;
    if ((bits != 2 && bits != 4 && bits != 8) || group < 16 || group % 16) return 64;
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) measure(threads, decoders + i, bits, (size_t)group);
    return 0;
}
