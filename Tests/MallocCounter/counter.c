#include "include/MallocCounter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_long all;
static __thread long mine __attribute__((tls_model("initial-exec")));

long malloc_counter_thread(void) { return mine; }
long malloc_counter_all(void) { return atomic_load(&all); }

// The sanitizers bring a malloc of their own.
#if defined(__has_feature) && (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))

bool malloc_counter_counts(void) { return false; }

#else

bool malloc_counter_counts(void) { return true; }

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static void note(void) {
    mine++;
    atomic_fetch_add_explicit(&all, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    note();
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    note();
    void *memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}

#endif
