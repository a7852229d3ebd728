// Closes what tier_begin.h opened.
#if CK_TIER >= 1
#pragma clang attribute pop
#endif
#undef CK_TIER
#undef CK_SUFFIX
#undef W
#undef WD
#undef T
#undef INL
#undef vf
#undef vi
#undef vu
#undef vd
#undef vh
#undef LD
#undef ST
#undef LDI
#undef STI
#undef LDH
#undef STH
#undef LDD
#undef STD
#undef LDN
#undef STN
#undef VS
#undef VFMA
#undef CK_FUSES
