// What the processor can do at most, for rooflines: loops that do nothing else.
#ifndef CK_CEILING_H
#define CK_CEILING_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// A loop of independent multiply-adds in registers, `rounds` times over. Returns the floating-point operations it did;
/// `*sink` gets a number that depends on all of them.
double ck_ceiling_multiply_add(size_t rounds, float *sink);
/// Reads `count` floats from 64-byte aligned memory, vector by vector. Returns a number that depends on all of them.
float ck_ceiling_read(const float *in, size_t count);

#pragma clang assume_nonnull end
#endif
