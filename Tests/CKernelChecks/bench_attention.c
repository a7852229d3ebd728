// Attention on one thread: float32's kernel, and those with bfloat16 factors over operands in float32 and in bfloat16. All forms of a
// case by turns, the least time of each.
//
// clang -O2 -std=gnu11 -I Sources/CKernels/include Tests/CKernelChecks/bench_attention.c Sources/CKernels/{attention*,bf16*,isa,convert}.c -ffunction-sections -Wl,--gc-sections -lm -o /tmp/ck-attention && /tmp/ck-attention
#include "CKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    const char *name;
    size_t heads, key_heads, queries, keys, size;
    bool causal;
} shape;

/// One form: which functions, and operands in memory.
typedef struct {
    const shape *shape;
    bool is_bf16;
    ck_attention_type type;
    size_t block;
    void *q, *k, *v, *out, *scratch;
    double best;
} form;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *data(size_t n, ck_attention_type type) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(rand() % 2001 - 1000) / 1000;
    if (type == CK_ATTENTION_F32) return x;
    uint16_t *y = malloc(n * sizeof *y);
    ck_f32_to_bf16(y, x, n);
    free(x);
    return y;
}

static form make(const shape *s, bool is_bf16, ck_attention_type type) {
    form f = {.shape = s, .is_bf16 = is_bf16, .type = type, .best = 1e9};
    f.q = data(s->heads * s->queries * s->size, type);
    f.k = data(s->key_heads * s->keys * s->size, type);
    f.v = data(s->key_heads * s->keys * s->size, type);
    f.out = malloc(s->heads * s->queries * s->size * 4);
    f.scratch = malloc(ck_attention_bf16_scratch_bytes(s->size, s->size));
    f.block = is_bf16 ? ck_attention_bf16_row_block(s->size, s->size) : ck_attention_row_block(s->size, s->size);
    return f;
}

/// Heads lie side by side in a row, as a projection leaves them.
static void run(form *f) {
    const shape *s = f->shape;
    const size_t group = s->heads / s->key_heads, rows = group * s->queries, d = s->size, wide = f->type == CK_ATTENTION_F32 ? 4 : 2;
    const double start = now();
    for (size_t head = 0; head < s->key_heads; head++) {
        const ck_attention p = {.q = (char *)f->q + head * group * d * wide, .q_row = s->heads * d, .q_head = d, .q_length = s->queries, .group = group,
                                .part = {{0}, {(char *)f->k + head * d * wide, (char *)f->v + head * d * wide, s->key_heads * d, s->key_heads * d, s->keys}},
                                .out = (char *)f->out + head * group * d * wide, .out_row = s->heads * d, .out_head = d, .head_size = d, .v_head_size = d,
                                .q_type = f->type, .k_type = f->type, .v_type = f->type, .out_type = f->type, .scale = 1 / sqrtf((float)d), .left = -1,
                                .right = s->causal ? 0 : -1, .offset = (ptrdiff_t)(s->keys - s->queries), .valid = s->keys};
        for (size_t row = 0; row < rows; row += f->block) {
            const size_t end = row + f->block < rows ? row + f->block : rows;
            (f->is_bf16 ? ck_attention_bf16_rows : ck_attention_rows)(&p, row, end, f->scratch);
        }
    }
    const double took = now() - start;
    if (took < f->best) f->best = took;
}

int main(void) {
    static const shape shapes[] = {
        {"12 heads, 197 x 197, size 64", 12, 12, 197, 197, 64, false}, {"12 heads, 128 x 128, size 64", 12, 12, 128, 128, 64, false},
        {"12 heads, 128 x 128, size 32", 12, 12, 128, 128, 32, false}, {"9 and 3 heads, 128 x 128, size 64, causal", 9, 3, 128, 128, 64, true},
        {"8 heads, 1024 x 1024, size 64", 8, 8, 1024, 1024, 64, false}, {"8 heads, 1024 x 1024, size 128, causal", 8, 8, 1024, 1024, 128, true},
        {"8 heads, 512 x 512, size 80", 8, 8, 512, 512, 80, false}, {"12 heads, 49 x 49, size 32", 12, 12, 49, 49, 32, false},
        {"4 heads, 16 x 16, size 64", 4, 4, 16, 16, 64, false}, {"4 heads, 8 x 512, size 64", 4, 4, 8, 512, 64, false},
        {"9 and 3 heads, 1 x 2048, size 64", 9, 3, 1, 2048, 64, true}, {"32 and 8 heads, 1 x 8192, size 128", 32, 8, 1, 8192, 128, true}};
    for (int32_t kernel = CK_BF16_AMX; kernel > CK_BF16_WIDENED; kernel--) {
        if (ck_bf16_select(kernel) != kernel) continue;
        printf("%s: us in float32, with bfloat16 factors from float32 memory, from bfloat16 memory\n", ck_bf16_name());
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            form forms[] = {make(&shapes[i], false, CK_ATTENTION_F32), make(&shapes[i], true, CK_ATTENTION_F32), make(&shapes[i], true, CK_ATTENTION_BF16)};
            const double start = now();
            for (int round = 0; round < 5 || now() - start < 0.5; round++)
                for (int j = 0; j < 3; j++) run(&forms[j]);
            printf("%-44s %9.1f %9.1f (%.2fx) %9.1f (%.2fx)\n", shapes[i].name, forms[0].best * 1e6, forms[1].best * 1e6, forms[0].best / forms[1].best,
                   forms[2].best * 1e6, forms[0].best / forms[2].best);
            for (int j = 0; j < 3; j++) free(forms[j].q), free(forms[j].k), free(forms[j].v), free(forms[j].out), free(forms[j].scratch);
        }
    }
    return 0;
}
