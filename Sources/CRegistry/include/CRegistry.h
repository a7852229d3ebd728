#pragma once
#include <stdint.h>

#pragma clang assume_nonnull begin

/// A registration that a source file leaves in the section `cameo_operators`: kind, and a function that hands itself over.
typedef struct {
    uint64_t kind;
    void (*submit)(void *context);
} cameo_registry_record;

/// Calls every record of the given kind in this image, in link order (which means nothing: sort before use).
void cameo_registry_walk(uint64_t kind, void *context);

#pragma clang assume_nonnull end
