// Compares every kernel, in every tier that this CPU has, with plain double-precision loops.
//
// clang -O1 -g -std=gnu11 -I Sources/CKernels/include -I Sources/CBLAS/include Tests/CKernelChecks/check.c Sources/CKernels/*.c Sources/CBLAS/blas.c -lm -ldl -lpthread -o /tmp/ck-check && /tmp/ck-check
//
// Add -fsanitize=address,undefined -fno-sanitize=alignment to look for accesses outside the buffers.
#include "CBLAS.h"
#include "support.h"

#include "check_elementwise.h"
#include "check_linear.h"
#include "check_bf16.h"
#include "check_integer.h"
#include "check_nbits.h"
#include "check_sequence.h"
#include "check_spatial.h"
#include "check_bf16_conv.h"
#include "check_int8.h"
#include "check_last.h"
#include "check_bytes.h"
#include "check_moves.h"
#include "check_observe.h"

int main(void) {
    printf("features: %s; best tier %d\n", ck_isa_feature_names(), ck_isa_best());
    if (cblas_loader_open()) {
        printf("BLAS: %s, core %s\n", cameo_blas_path(), cameo_blas_core());
        check_blas();
    } else {
        printf("no BLAS: %s\n", cameo_blas_error());
    }
    for (int tier = ck_isa_best(); tier >= 0; tier--) {
        ck_isa_select(tier);
        check_unary();
        check_binary();
        check_softmax();
        check_norm();
        check_rotary();
        check_reduce();
        check_rnn();
        check_gemm();
        check_gemv_columns();
        check_bf16();
        check_bf16_conv();
        check_int8();
        check_depthwise();
        check_first_conv();
        check_winograd();
        check_contract();
        check_attention();
        check_quant();
        check_integer();
        check_nbits();
        check_sequence();
        check_bytes();
        check_pool();
        check_conv();
        check_resize();
        check_transpose();
        check_gather();
        check_convert();
        check_observe();
    }
    printf(failures ? "%d FAILED\n" : "all passed\n", failures);
    return failures != 0;
}
