// Which instruction-set tier the kernels use. Chosen once, on first use, from cpuid and the environment variable
// CAMEO_ISA (generic | avx2 | avx512), which can only lower the choice.
#ifndef CK_ISA_H
#define CK_ISA_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

enum ck_tier : int32_t { CK_TIER_GENERIC = 0, CK_TIER_AVX2 = 1, CK_TIER_AVX512 = 2 };

enum ck_feature : uint32_t {
    CK_FEATURE_AVX2 = 1 << 0,    // with FMA and F16C
    CK_FEATURE_AVX512 = 1 << 1,  // F, BW, CD, DQ, VL
    CK_FEATURE_AVX512_VNNI = 1 << 2,
    CK_FEATURE_AVX512_BF16 = 1 << 3,
    CK_FEATURE_AVX512_FP16 = 1 << 4,
    CK_FEATURE_AVX_VNNI = 1 << 5,
    CK_FEATURE_AMX_TILE = 1 << 6,
    CK_FEATURE_AMX_INT8 = 1 << 7,
    CK_FEATURE_AMX_BF16 = 1 << 8,
    CK_FEATURE_AVX512_VBMI = 1 << 9,
    CK_FEATURE_AVX512_BF16_FAST = 1 << 10,  // AVX512_BF16 does more multiply-adds a cycle than float32's
};

/// The tier in use: one of `ck_tier`.
int32_t ck_isa_tier(void);
/// Name of the tier in use: "generic", "avx2" or "avx512".
const char *ck_isa_name(void);
/// The best tier that this CPU has, whatever CAMEO_ISA says.
int32_t ck_isa_best(void);
/// Features that CPU and operating system both support, as a set of `ck_feature` (AMX: the tile state permission must
/// still be asked for before use).
uint32_t ck_isa_features(void);
/// The same set as space-separated names, in static storage: "avx2 avx512 vnni bf16 amx_tile ...".
const char *ck_isa_feature_names(void);
/// Switches the tier (clamped to what the CPU has) and returns the one now in use. For tests, while no kernel runs:
/// matrices packed before belong to the old tier.
int32_t ck_isa_select(int32_t tier);

#pragma clang assume_nonnull end
#endif
