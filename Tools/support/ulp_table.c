// Largest errors of the element-wise functions over every float (or every STEP-th), two threads: `Tools/measure ulp`.
//   ulp_table [STEP [NAME...]]
// A line for each function and tier: name, tier, normal, at, small, at, wrong, at.
#include "CKernels.h"
#include "KernelReference.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 2, CHUNKS = 4096, TIERS = 3 };

typedef struct {
    int32_t index;
    uint32_t step;
    atomic_uint next;
    pthread_mutex_t lock;
    kr_error errors[TIERS];
} job;

static void *work(void *raw) {
    job *j = raw;
    kr_error mine[TIERS] = {0};
    const uint64_t chunk = (1ull << 32) / CHUNKS;
    for (unsigned c; (c = atomic_fetch_add(&j->next, 1)) < CHUNKS;) {
        kr_scan(j->index, (uint32_t)(c * chunk), j->step, (chunk + j->step - 1) / j->step, mine);
    }
    pthread_mutex_lock(&j->lock);
    for (int t = 0; t < TIERS; t++) kr_merge(j->errors + t, mine + t);
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

static bool wanted(const char *name, int count, char **names) {
    for (int i = 0; i < count; i++) {
        if (!strcmp(names[i], name)) return true;
    }
    return count == 0;
}

int main(int argc, char **argv) {
    static const char *const tiers[] = {"generic", "avx2", "avx512"};
    const uint32_t step = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    if (!step) return 64;
    for (int32_t f = 0; f < kr_function_count(); f++) {
        if (!wanted(kr_function_at(f).name, argc - 2 > 0 ? argc - 2 : 0, argv + 2)) continue;
        job j = {.index = f, .step = step, .lock = PTHREAD_MUTEX_INITIALIZER};
        pthread_t others[THREADS - 1];
        for (int i = 0; i < THREADS - 1; i++) {
            if (pthread_create(others + i, NULL, work, &j)) return 1;
        }
        work(&j);
        for (int i = 0; i < THREADS - 1; i++) pthread_join(others[i], NULL);
        for (int t = 0; t <= ck_isa_best(); t++) {
            const kr_error *e = j.errors + t;
            printf("%s|%s|%.3f|%.9g|%.3f|%.9g|%llu|%.9g\n", kr_function_at(f).name, tiers[t], e->normal, (double)e->normal_at, e->small,
                   (double)e->small_at, (unsigned long long)e->wrong, (double)e->wrong_at);
        }
        fflush(stdout);
    }
    return 0;
}
