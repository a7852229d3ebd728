/* A pass in C. To try it:
 *
 *     Tools/build-plugin Passes/Examples/relu_from_max.c -o librelu_from_max.so
 *     cameo optimize model.onnx -o small.onnx --plugin ./librelu_from_max.so
 *
 * Before: Max(x, 0) or Max(0, x) of a floating-point type. After: Relu(x). */
#include "cameo_plugin.h"

#include <string.h>

/* Returns what went wrong to the host, which knows the reason. */
#define TRY(expression)                  \
  do {                                   \
    cameo_status status_ = (expression); \
    if (status_ != CAMEO_OK) return status_; \
  } while (0)

static int is(cameo_text text, const char *word) {
  return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

static int is_zero(const cameo_host *host, cameo_call call, cameo_value value) {
  double number;
  return host->value_number(call, value, &number) == CAMEO_OK && number == 0;
}

/* 1 where both have the same rank and the same expression on every axis. */
static cameo_status same_shape(const cameo_host *host, cameo_call call, cameo_value a, cameo_value b, int32_t *same) {
  cameo_dim x[8], y[8];
  size_t m = 0, n = 0, axis;
  *same = 0;
  if (host->value_dims(call, a, x, 8, &m) != CAMEO_OK || host->value_dims(call, b, y, 8, &n) != CAMEO_OK) return CAMEO_OK;
  if (m != n || m > 8) return CAMEO_OK;
  *same = 1;
  for (axis = 0; axis < m && *same; ++axis) TRY(host->dim_equal(call, x[axis], y[axis], same));
  return CAMEO_OK;
}

static cameo_status visit(const cameo_host *host, cameo_call call, cameo_node node) {
  cameo_text domain, name, rule = CAMEO_TEXT("ReluFromMax");
  cameo_value inputs[2], output, relu;
  cameo_change change;
  size_t count, outputs;
  int32_t type, rank, same;
  int zero;

  TRY(host->node_operator(call, node, &domain, &name));
  if (domain.size != 0 || !is(name, "Max")) return CAMEO_OK;
  TRY(host->node_inputs(call, node, inputs, 2, &count));
  TRY(host->node_outputs(call, node, &output, 1, &outputs));
  if (count != 2 || outputs != 1) return CAMEO_OK;
  zero = is_zero(host, call, inputs[1]) ? 1 : is_zero(host, call, inputs[0]) ? 0 : -1;
  if (zero < 0) return CAMEO_OK;

  TRY(host->value_type(call, inputs[1 - zero], &type, &rank));
  if (type != CAMEO_FLOAT && type != CAMEO_DOUBLE && type != CAMEO_FLOAT16)
    return host->refuse(call, rule, node, CAMEO_TEXT("it is of no floating-point type"), CAMEO_NONE);
  TRY(same_shape(host, call, inputs[1 - zero], output, &same));
  if (!same) return host->refuse(call, rule, node, CAMEO_TEXT("the zeros widen the shape"), CAMEO_NONE);

  TRY(host->change_begin(call, rule, &node, 1, 1, &change));
  TRY(host->change_node(call, change, CAMEO_TEXT(""), CAMEO_TEXT("Relu"), &inputs[1 - zero], 1, &relu, 1, NULL));
  TRY(host->change_replace(call, change, output, relu));
  return host->change_apply(call, change);
}

static cameo_status visit_region(const cameo_host *host, cameo_call call, cameo_region region);

static cameo_status visit_bodies(const cameo_host *host, cameo_call call, cameo_node node) {
  cameo_region bodies[8];
  size_t count, index;
  TRY(host->node_bodies(call, node, bodies, 8, &count));
  for (index = 0; index < count && index < 8; ++index) TRY(visit_region(host, call, bodies[index]));
  return CAMEO_OK;
}

static cameo_status visit_region(const cameo_host *host, cameo_call call, cameo_region region) {
  cameo_node nodes[4096];
  size_t count, index;
  TRY(host->region_nodes(call, region, nodes, 4096, &count));
  for (index = 0; index < count && index < 4096; ++index) {
    if (host->node_exists(call, nodes[index]) != CAMEO_OK) continue; /* an earlier change removed it */
    TRY(visit_bodies(host, call, nodes[index]));
    TRY(visit(host, call, nodes[index]));
  }
  return CAMEO_OK;
}

static cameo_status run(const cameo_host *host, cameo_call call, void *data) {
  (void)data;
  return visit_region(host, call, CAMEO_MAIN_REGION);
}

CAMEO_PLUGIN_EXPORT cameo_status cameo_plugin_register(const cameo_host *host, cameo_call call) {
  cameo_pass pass = {
      .size = sizeof pass,
      .name = CAMEO_TEXT("ReluFromMax"),
      .summary = CAMEO_TEXT("Max(x, 0) becomes Relu"),
      .level = 2,
      .place = CAMEO_PLACE_BEFORE_FUSIONS,
      .run = run,
  };
  return host->register_pass(call, &pass);
}
