// Includes CK_SELF once per tier; see internal.h. No include guard: one family, one inclusion.
#define CK_TIER 0
#include "tier_begin.h"
#include CK_SELF
#include "tier_end.h"
#if CK_X86
#define CK_TIER 1
#include "tier_begin.h"
#include CK_SELF
#include "tier_end.h"
#define CK_TIER 2
#include "tier_begin.h"
#include CK_SELF
#include "tier_end.h"
#endif
