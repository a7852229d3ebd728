/* A custom operator in C: example.c.Hypot(a, b) = sqrt(a*a + b*b) of two float tensors of one shape. To try it:
 *
 *     Tools/build-plugin Passes/Examples/hypot.c -o libhypot.so
 *     cameo run Passes/Examples/hypot.onnx --input a=random --input b=random --dim n=4 --plugin ./libhypot.so */
#include "cameo_plugin.h"

#include <math.h>

#define TRY(expression)                  \
  do {                                   \
    cameo_status status_ = (expression); \
    if (status_ != CAMEO_OK) return status_; \
  } while (0)

static cameo_status infer(const cameo_host *host, cameo_call call, void *data) {
  cameo_dim dims[16];
  int32_t types[2], ranks[2];
  size_t count = 0;
  int known = -1, input;
  (void)data;
  for (input = 0; input < 2; ++input) {
    TRY(host->input_type(call, input, &types[input], &ranks[input]));
    if (types[input] != 0 && types[input] != CAMEO_FLOAT) return host->fail(call, CAMEO_TEXT("it takes float tensors"));
    if (ranks[input] > 16) return host->fail(call, CAMEO_TEXT("it takes tensors of rank 16 or less"));
    if (ranks[input] >= 0) known = input;
  }
  if (ranks[0] >= 0 && ranks[1] >= 0 && ranks[0] != ranks[1])
    return host->fail(call, CAMEO_TEXT("the inputs have different ranks"));
  /* The dims stay handles: an open dimension of the input is the same open dimension of the output. */
  if (known >= 0) TRY(host->input_dims(call, known, dims, 16, &count));
  return host->set_output(call, 0, CAMEO_FLOAT, dims, known >= 0 ? ranks[known] : -1);
}

static cameo_status evaluate(const cameo_host *host, cameo_call call, void *data) {
  cameo_tensor a, b;
  void *out;
  const float *x, *y;
  float *z;
  size_t bytes, index;
  int32_t axis;
  (void)data;
  TRY(host->input_tensor(call, 0, &a));
  TRY(host->input_tensor(call, 1, &b));
  if (a.type != CAMEO_FLOAT || b.type != CAMEO_FLOAT) return host->fail(call, CAMEO_TEXT("it takes float tensors"));
  if (a.rank != b.rank) return host->fail(call, CAMEO_TEXT("the inputs have different ranks"));
  for (axis = 0; axis < a.rank; ++axis)
    if (a.dims[axis] != b.dims[axis]) return host->fail(call, CAMEO_TEXT("the inputs have different shapes"));
  TRY(host->output_tensor(call, 0, CAMEO_FLOAT, a.dims, a.rank, &out, &bytes));
  x = a.data;
  y = b.data;
  z = out;
  for (index = 0; index < bytes / sizeof(float); ++index) z[index] = hypotf(x[index], y[index]);
  return CAMEO_OK;
}

CAMEO_PLUGIN_EXPORT cameo_status cameo_plugin_register(const cameo_host *host, cameo_call call) {
  cameo_operator op = {
      .size = sizeof op,
      .domain = CAMEO_TEXT("example.c"),
      .name = CAMEO_TEXT("Hypot"),
      .signature = CAMEO_TEXT(
          "D example.c 1\n"
          "O Hypot 1 2 2 1 1\n"
          "i A T\n"
          "i B T\n"
          "o C T\n"
          "c T tensor(*):float"),
      .traits = CAMEO_TRAIT_ELEMENTWISE | CAMEO_TRAIT_COMMUTATIVE,
      .infer = infer,
      .evaluate = evaluate,
  };
  return host->register_operator(call, &op);
}
