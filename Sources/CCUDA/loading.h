// How tables of functions are filled from libraries that may not be there.
#ifndef CCUDA_LOADING_H
#define CCUDA_LOADING_H

#include <stddef.h>

/// A member of a table and the function that belongs there.
struct entry {
    size_t offset;
    const char *name;
};

/// Loads the first of `names` that has all `count` functions, and gives a table of `size` bytes with the library's place at `path`; NULL,
/// with the reason in `reason`, where there is none.
void *cameo_cuda_open_library(const char *names, const char *folders, const struct entry *entries, size_t count, size_t size, size_t path,
                              char *reason, size_t reason_size);

#endif
