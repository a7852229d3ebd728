// CKernels: SIMD microkernels, one header a family. ck_base.h states the rules common to all.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "ck_attention.h"
#include "ck_base.h"
#include "ck_bf16.h"
#include "ck_binary.h"
#include "ck_ceiling.h"
#include "ck_conv.h"
#include "ck_convert.h"
#include "ck_dot8.h"
#include "ck_few.h"
#include "ck_gather.h"
#include "ck_gemm.h"
#include "ck_integer.h"
#include "ck_isa.h"
#include "ck_last.h"
#include "ck_norm.h"
#include "ck_pool.h"
#include "ck_program.h"
#include "ck_quant.h"
#include "ck_reduce.h"
#include "ck_resize.h"
#include "ck_rnn.h"
#include "ck_rotary.h"
#include "ck_sequence.h"
#include "ck_softmax.h"
#include "ck_transpose.h"
#include "ck_unary.h"
#include "ck_window.h"
#include "ck_winograd.h"

#endif
