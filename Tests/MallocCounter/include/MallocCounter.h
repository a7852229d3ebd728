// Counts heap allocations by standing before glibc's malloc in the executable that links this.
#ifndef MALLOC_COUNTER_H
#define MALLOC_COUNTER_H

#include <stdbool.h>

/// False in sanitizer builds, which bring a malloc of their own: both counts stay 0.
bool malloc_counter_counts(void);
/// Allocations (malloc, calloc, realloc, memalign and their kin) of the calling thread so far.
long malloc_counter_thread(void);
/// Allocations of all threads so far.
long malloc_counter_all(void);

#endif
