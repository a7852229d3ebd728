// CPU detection. cpuid and xgetbv are read directly: a feature counts only if the operating system saves its state.
#include "include/ck_isa.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ck_tier_value = -1;

static const char *const tier_names[] = {"generic", "avx2", "avx512"};

#if CK_X86
#include <cpuid.h>

static uint64_t xcr0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return ((uint64_t)hi << 32) | lo;
}

static uint32_t read_features(void) {
    uint32_t a, b, c, d, set = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const bool osxsave = c >> 27 & 1, avx = c >> 28 & 1, fma = c >> 12 & 1, f16c = c >> 29 & 1;
    if (!osxsave || !avx) return 0;
    const uint64_t xcr = xcr0();
    if ((xcr & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const uint32_t maxsub = a;
    uint32_t most, vendor[3];
    __get_cpuid(0, &most, &vendor[0], &vendor[2], &vendor[1]);
    if ((b >> 5 & 1) && (b >> 3 & 1) && (b >> 8 & 1) && fma && f16c) set |= CK_FEATURE_AVX2;
    const uint32_t f512 = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);
    const bool has512 = (xcr & 0xe6) == 0xe6 && (b & f512) == f512 && (set & CK_FEATURE_AVX2);
    if (has512) {
        set |= CK_FEATURE_AVX512;
        if (c >> 1 & 1) set |= CK_FEATURE_AVX512_VBMI;
        if (c >> 11 & 1) set |= CK_FEATURE_AVX512_VNNI;
        if (d >> 23 & 1) set |= CK_FEATURE_AVX512_FP16;
    }
    if ((xcr & 0x60000) == 0x60000) {
        if (d >> 24 & 1) set |= CK_FEATURE_AMX_TILE;
        if (d >> 25 & 1) set |= CK_FEATURE_AMX_INT8;
        if (d >> 22 & 1) set |= CK_FEATURE_AMX_BF16;
    }
    if (maxsub >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        if (has512 && (a >> 5 & 1)) {
            set |= CK_FEATURE_AVX512_BF16;
            // Intel's processors take two cycles for an instruction of 32 multiply-adds; float32 does 64 in that time (measured).
            if (memcmp(vendor, "GenuineIntel", sizeof vendor)) set |= CK_FEATURE_AVX512_BF16_FAST;
        }
        if (a >> 4 & 1) set |= CK_FEATURE_AVX_VNNI;
    }
    return set;
}
#else
static uint32_t read_features(void) { return 0; }
#endif

/// Asked once: under a hypervisor cpuid takes tens of microseconds.
uint32_t ck_isa_features(void) {
    static uint64_t known;
    uint64_t value = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (!value) {
        value = (uint64_t)1 << 32 | read_features();
        __atomic_store_n(&known, value, __ATOMIC_RELAXED);
    }
    return (uint32_t)value;
}

int32_t ck_isa_best(void) {
    const uint32_t set = ck_isa_features();
    return set & CK_FEATURE_AVX512 ? CK_TIER_AVX512 : set & CK_FEATURE_AVX2 ? CK_TIER_AVX2 : CK_TIER_GENERIC;
}

int ck_tier_init(void) {
    int tier = ck_isa_best();
    const char *wish = getenv("CAMEO_ISA");
    for (int i = 0; wish && i < tier; i++) {
        if (!strcmp(wish, tier_names[i])) tier = i;
    }
    __atomic_store_n(&ck_tier_value, tier, __ATOMIC_RELEASE);
    return tier;
}

int32_t ck_isa_tier(void) { return ck_tier(); }
const char *ck_isa_name(void) { return tier_names[ck_tier()]; }

int32_t ck_isa_select(int32_t tier) {
    const int best = ck_isa_best();
    if (tier > best) tier = best;
    if (tier < 0) tier = 0;
    __atomic_store_n(&ck_tier_value, tier, __ATOMIC_RELEASE);
    return tier;
}

static char feature_names[128];

__attribute__((constructor)) static void name_features(void) {
    static const char *const names[] = {"avx2",     "avx512",   "vnni",     "bf16",    "fp16",
                                        "avx_vnni", "amx_tile", "amx_int8", "amx_bf16", "vbmi"};
    const uint32_t set = ck_isa_features();
    char *at = feature_names;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (set >> i & 1) at += sprintf(at, "%s%s", at == feature_names ? "" : " ", names[i]);
    }
}

const char *ck_isa_feature_names(void) { return feature_names; }
