// wgmma on shared memory and registers for the sizes in use, and the warpgroup's fences. sm_90a only.
#pragma once

// Factors by the macro ELEMENT: 0 half, 1 bf16; 4 bytes, by A_SIGNED and B_SIGNED; 5 8-bit floats, e4m3 but where A_E5M2 and B_E5M2 are set. One
// instruction takes 32 bytes of each row. Sums of 8-bit floats keep some 14 bits of the largest summand.
#if ELEMENT == 4
typedef int WgmmaSum;
#define WGMMA_DEPTH "k32"
#define WGMMA_REST ", p;}"
#define WGMMA_REGISTER "+r"
#define WGMMA_OF(a, b) ".s32." a "." b " "
#if A_SIGNED && B_SIGNED
#define WGMMA_TYPES WGMMA_OF("s8", "s8")
#elif A_SIGNED
#define WGMMA_TYPES WGMMA_OF("s8", "u8")
#elif B_SIGNED
#define WGMMA_TYPES WGMMA_OF("u8", "s8")
#else
#define WGMMA_TYPES WGMMA_OF("u8", "u8")
#endif
#elif ELEMENT == 5
typedef float WgmmaSum;
#define WGMMA_DEPTH "k32"
#define WGMMA_REST ", p, 1, 1;}"
#define WGMMA_REGISTER "+f"
#if A_E5M2 && B_E5M2
#define WGMMA_TYPES ".f32.e5m2.e5m2 "
#elif A_E5M2
#define WGMMA_TYPES ".f32.e5m2.e4m3 "
#elif B_E5M2
#define WGMMA_TYPES ".f32.e4m3.e5m2 "
#else
#define WGMMA_TYPES ".f32.e4m3.e4m3 "
#endif
#else
typedef float WgmmaSum;
#define WGMMA_DEPTH "k16"
#define WGMMA_REST ", p, 1, 1, 0, 0;}"
#define WGMMA_REGISTER "+f"
#if ELEMENT == 0
#define WGMMA_TYPES ".f32.f16.f16 "
#else
#define WGMMA_TYPES ".f32.bf16.bf16 "
#endif
#endif

// Operands of an accumulator: eight registers at a time, as asm text (%0 ...) and as constraints.
#define WGMMA_TEXT_1 "%0,%1,%2,%3,%4,%5,%6,%7"
#define WGMMA_TEXT_2 WGMMA_TEXT_1 ",%8,%9,%10,%11,%12,%13,%14,%15"
#define WGMMA_TEXT_3 WGMMA_TEXT_2 ",%16,%17,%18,%19,%20,%21,%22,%23"
#define WGMMA_TEXT_4 WGMMA_TEXT_3 ",%24,%25,%26,%27,%28,%29,%30,%31"
#define WGMMA_TEXT_5 WGMMA_TEXT_4 ",%32,%33,%34,%35,%36,%37,%38,%39"
#define WGMMA_TEXT_6 WGMMA_TEXT_5 ",%40,%41,%42,%43,%44,%45,%46,%47"
#define WGMMA_TEXT_7 WGMMA_TEXT_6 ",%48,%49,%50,%51,%52,%53,%54,%55"
#define WGMMA_TEXT_8 WGMMA_TEXT_7 ",%56,%57,%58,%59,%60,%61,%62,%63"
#define WGMMA_TEXT_9 WGMMA_TEXT_8 ",%64,%65,%66,%67,%68,%69,%70,%71"
#define WGMMA_TEXT_10 WGMMA_TEXT_9 ",%72,%73,%74,%75,%76,%77,%78,%79"
#define WGMMA_TEXT_11 WGMMA_TEXT_10 ",%80,%81,%82,%83,%84,%85,%86,%87"
#define WGMMA_TEXT_12 WGMMA_TEXT_11 ",%88,%89,%90,%91,%92,%93,%94,%95"
#define WGMMA_TEXT_13 WGMMA_TEXT_12 ",%96,%97,%98,%99,%100,%101,%102,%103"
#define WGMMA_TEXT_14 WGMMA_TEXT_13 ",%104,%105,%106,%107,%108,%109,%110,%111"
#define WGMMA_TEXT_15 WGMMA_TEXT_14 ",%112,%113,%114,%115,%116,%117,%118,%119"
#define WGMMA_TEXT_16 WGMMA_TEXT_15 ",%120,%121,%122,%123,%124,%125,%126,%127"
#define WGMMA_EIGHT(i) \
    WGMMA_REGISTER(d[i]), WGMMA_REGISTER(d[i + 1]), WGMMA_REGISTER(d[i + 2]), WGMMA_REGISTER(d[i + 3]), WGMMA_REGISTER(d[i + 4]), \
        WGMMA_REGISTER(d[i + 5]), WGMMA_REGISTER(d[i + 6]), WGMMA_REGISTER(d[i + 7])
#define WGMMA_REGS_1 WGMMA_EIGHT(0)
#define WGMMA_REGS_2 WGMMA_REGS_1, WGMMA_EIGHT(8)
#define WGMMA_REGS_3 WGMMA_REGS_2, WGMMA_EIGHT(16)
#define WGMMA_REGS_4 WGMMA_REGS_3, WGMMA_EIGHT(24)
#define WGMMA_REGS_5 WGMMA_REGS_4, WGMMA_EIGHT(32)
#define WGMMA_REGS_6 WGMMA_REGS_5, WGMMA_EIGHT(40)
#define WGMMA_REGS_7 WGMMA_REGS_6, WGMMA_EIGHT(48)
#define WGMMA_REGS_8 WGMMA_REGS_7, WGMMA_EIGHT(56)
#define WGMMA_REGS_9 WGMMA_REGS_8, WGMMA_EIGHT(64)
#define WGMMA_REGS_10 WGMMA_REGS_9, WGMMA_EIGHT(72)
#define WGMMA_REGS_11 WGMMA_REGS_10, WGMMA_EIGHT(80)
#define WGMMA_REGS_12 WGMMA_REGS_11, WGMMA_EIGHT(88)
#define WGMMA_REGS_13 WGMMA_REGS_12, WGMMA_EIGHT(96)
#define WGMMA_REGS_14 WGMMA_REGS_13, WGMMA_EIGHT(104)
#define WGMMA_REGS_15 WGMMA_REGS_14, WGMMA_EIGHT(112)
#define WGMMA_REGS_16 WGMMA_REGS_15, WGMMA_EIGHT(120)

/// d[64][N] (+)= a[64][D] b[D][N], D elements of 32 bytes, in fp32 or exact int32; `add` false: without the old d. Asynchronous: neither d
/// nor a may be touched before wgmma_wait. multiply: both factors in shared memory with their D next to each other. multiply_registers, of
/// halves: a in registers (wgmma's fragment), b in shared memory with its N next to each other.
template <int N> struct Wgmma;

#define WGMMA_SIZE(N, GROUPS, A, B, C, D, E, F)                                                                          \
    template <> struct Wgmma<N> {                                                                                        \
        static DEVICE void multiply(WgmmaSum (&d)[N / 2], u64 a, u64 b, int add) {                                       \
            asm volatile("{.reg .pred p; setp.ne.b32 p, %" C ", 0; "                                                     \
                         "wgmma.mma_async.sync.aligned.m64n" #N WGMMA_DEPTH WGMMA_TYPES "{" WGMMA_TEXT_##GROUPS "}, %" A ", %" B \
                         WGMMA_REST                                                                                      \
                         : WGMMA_REGS_##GROUPS : "l"(a), "l"(b), "r"(add));                                              \
        }                                                                                                                \
        static DEVICE void multiply_registers(WgmmaSum (&d)[N / 2], const u32 *a, u64 b, int add) {                      \
            asm volatile("{.reg .pred p; setp.ne.b32 p, %" F ", 0; "                                                     \
                         "wgmma.mma_async.sync.aligned.m64n" #N "k16" WGMMA_TYPES "{" WGMMA_TEXT_##GROUPS "}, {%" A ",%" B \
                         ",%" C ",%" D "}, %" E ", p, 1, 1, 1;}"                                                         \
                         : WGMMA_REGS_##GROUPS : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));          \
        }                                                                                                                \
    };
WGMMA_SIZE(32, 2, "16", "17", "18", "19", "20", "21")
WGMMA_SIZE(48, 3, "24", "25", "26", "27", "28", "29")
WGMMA_SIZE(64, 4, "32", "33", "34", "35", "36", "37")
WGMMA_SIZE(80, 5, "40", "41", "42", "43", "44", "45")
WGMMA_SIZE(96, 6, "48", "49", "50", "51", "52", "53")
WGMMA_SIZE(112, 7, "56", "57", "58", "59", "60", "61")
WGMMA_SIZE(128, 8, "64", "65", "66", "67", "68", "69")
WGMMA_SIZE(144, 9, "72", "73", "74", "75", "76", "77")
WGMMA_SIZE(160, 10, "80", "81", "82", "83", "84", "85")
WGMMA_SIZE(176, 11, "88", "89", "90", "91", "92", "93")
WGMMA_SIZE(192, 12, "96", "97", "98", "99", "100", "101")
WGMMA_SIZE(208, 13, "104", "105", "106", "107", "108", "109")
WGMMA_SIZE(224, 14, "112", "113", "114", "115", "116", "117")
WGMMA_SIZE(240, 15, "120", "121", "122", "123", "124", "125")
WGMMA_SIZE(256, 16, "128", "129", "130", "131", "132", "133")

DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most `pending` of this warp's groups are not done.
template <int pending> DEVICE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory"); }
/// Keeps the compiler from moving uses of an accumulator across this point.
template <int N> DEVICE void hold(WgmmaSum (&d)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) asm volatile("" : WGMMA_REGISTER(d[i])::"memory");
}
