/* Uses every function of the interface, rightly and wrongly, on the graph of CInterfaceTests. */
#include "cameo_plugin.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static cameo_status failed(const cameo_host *host, cameo_call call, int line, const char *what, cameo_status status) {
  char text[512];
  cameo_text reason = {0};
  host->last_error(call, &reason);
  snprintf(text, sizeof text, "line %d: %s gave %d: %.*s", line, what, (int)status, (int)reason.size, reason.data ? reason.data : "");
  cameo_text message = {text, strlen(text)};
  return host->fail(call, message);
}

/* The expression has that status. */
#define GIVES(expected, expression)                                                        \
  do {                                                                                     \
    cameo_status status_ = (expression);                                                   \
    if (status_ != (expected)) return failed(host, call, __LINE__, #expression, status_); \
  } while (0)
#define OK(expression) GIVES(CAMEO_OK, expression)
#define BAD(expression) GIVES(CAMEO_BAD_ARGUMENT, expression)
#define NONE(expression) GIVES(CAMEO_NOT_FOUND, expression)
#define HOLDS(condition)                                                  \
  do {                                                                    \
    if (!(condition)) return failed(host, call, __LINE__, #condition, 0); \
  } while (0)
#define T CAMEO_TEXT

static int same(cameo_text text, const char *word) {
  return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

/* g <a, c, k, s, i> {
 *   p = Add (x, c)        x float[n, 4], c float[4] = {1, 2, 3, 4}
 *   q = LeakyRelu <alpha = 0.5> (p)
 *   r = Reshape (q, k)    k int64[2] = {4, -1}
 *   w = If (i) {then_branch ..., else_branch ...}
 *   y = Concat <axis = 0> (r, w) } */
static cameo_status read_graph(const cameo_host *host, cameo_call call, cameo_node *nodes) {
  cameo_value values[8];
  cameo_region regions[4], region;
  cameo_node node;
  cameo_text domain, name;
  size_t count = 99;
  uint32_t index;

  OK(host->region_nodes(call, CAMEO_MAIN_REGION, NULL, 0, &count));
  HOLDS(count == 5);
  nodes[2] = 4242;
  OK(host->region_nodes(call, CAMEO_MAIN_REGION, nodes, 2, &count));
  HOLDS(count == 5 && nodes[2] == 4242);
  OK(host->region_nodes(call, CAMEO_MAIN_REGION, nodes, 8, &count));
  BAD(host->region_nodes(call, CAMEO_MAIN_REGION, NULL, 8, &count));
  BAD(host->region_nodes(call, CAMEO_MAIN_REGION, nodes, 8, NULL));
  BAD(host->region_nodes(call, 1000, nodes, 8, &count));
  BAD(host->region_nodes(call, CAMEO_NONE, nodes, 8, &count));
  GIVES(CAMEO_BAD_ARGUMENT, host->region_nodes(0, CAMEO_MAIN_REGION, nodes, 8, &count));
  GIVES(CAMEO_BAD_ARGUMENT, host->region_nodes(call + 1000, CAMEO_MAIN_REGION, nodes, 8, &count));

  OK(host->region_inputs(call, CAMEO_MAIN_REGION, values, 8, &count));
  HOLDS(count == 2);
  OK(host->region_outputs(call, CAMEO_MAIN_REGION, values, 8, &count));
  HOLDS(count == 1);
  OK(host->value_producer(call, values[0], &node, &index));
  HOLDS(node == nodes[4] && index == 0);
  OK(host->value_name(call, values[0], &name));
  HOLDS(same(name, "y"));

  OK(host->node_exists(call, nodes[0]));
  BAD(host->node_exists(call, CAMEO_NONE));
  OK(host->node_operator(call, nodes[1], &domain, &name));
  HOLDS(domain.size == 0 && same(name, "LeakyRelu"));
  BAD(host->node_operator(call, 1000000, &domain, &name));
  BAD(host->node_operator(call, nodes[1], NULL, &name));
  OK(host->node_name(call, nodes[1], &name));
  OK(host->node_region(call, nodes[1], &region));
  HOLDS(region == CAMEO_MAIN_REGION);
  OK(host->node_bodies(call, nodes[1], regions, 4, &count));
  HOLDS(count == 0);
  OK(host->node_bodies(call, nodes[3], regions, 4, &count));
  HOLDS(count == 2);
  OK(host->region_nodes(call, regions[0], &node, 1, &count));
  HOLDS(count == 1);
  OK(host->node_region(call, node, &region));
  HOLDS(region == regions[0]);
  return CAMEO_OK;
}

static cameo_status read_attributes(const cameo_host *host, cameo_call call, const cameo_node *nodes) {
  cameo_text name, texts[4];
  cameo_tensor tensor;
  int64_t integer, integers[4];
  float number, numbers[4];
  int32_t kind;
  size_t count;

  OK(host->attribute_count(call, nodes[1], &count));
  HOLDS(count == 1);
  OK(host->attribute_at(call, nodes[1], 0, &name, &kind));
  HOLDS(same(name, "alpha") && kind == 1);
  NONE(host->attribute_at(call, nodes[1], 1, &name, &kind));
  NONE(host->attribute_at(call, nodes[1], SIZE_MAX, &name, &kind));
  OK(host->attribute_float(call, nodes[1], T("alpha"), &number));
  HOLDS(number == 0.5f);
  GIVES(CAMEO_FAILED, host->attribute_int(call, nodes[1], T("alpha"), &integer));
  NONE(host->attribute_int(call, nodes[1], T("beta"), &integer));
  /* Reshape's default. */
  OK(host->attribute_int(call, nodes[2], T("allowzero"), &integer));
  HOLDS(integer == 0);
  BAD(host->attribute_int(call, nodes[2], T("allowzero"), NULL));
  BAD(host->attribute_int(call, CAMEO_THIS_NODE, T("allowzero"), &integer));
  BAD(host->attribute_int(call, nodes[2], (cameo_text){NULL, 4}, &integer));
  BAD(host->attribute_int(call, nodes[2], (cameo_text){"x", SIZE_MAX}, &integer));
  BAD(host->attribute_int(call, nodes[2], T("\xc3\x28"), &integer));
  NONE(host->attribute_text(call, nodes[1], T("t"), &name));
  NONE(host->attribute_ints(call, nodes[1], T("t"), integers, 4, &count));
  NONE(host->attribute_floats(call, nodes[1], T("t"), numbers, 4, &count));
  NONE(host->attribute_texts(call, nodes[1], T("t"), texts, 4, &count));
  NONE(host->attribute_tensor(call, nodes[1], T("t"), &tensor));
  return CAMEO_OK;
}

static cameo_status read_values(const cameo_host *host, cameo_call call, const cameo_node *nodes) {
  cameo_value add[2], q, k[2];
  cameo_dim dims[4], sum, six;
  cameo_use uses[4];
  cameo_tensor tensor;
  cameo_text text;
  cameo_node node;
  int32_t type, rank, equal;
  uint32_t index;
  int64_t integer;
  double number;
  size_t count;

  OK(host->node_inputs(call, nodes[0], add, 2, &count));
  OK(host->node_outputs(call, nodes[1], &q, 1, &count));
  OK(host->node_inputs(call, nodes[2], k, 2, &count));
  OK(host->value_type(call, q, &type, &rank));
  HOLDS(type == CAMEO_FLOAT && rank == 2);
  OK(host->value_type_text(call, q, &text));
  HOLDS(same(text, "float[n, 4]"));
  OK(host->value_dims(call, q, dims, 4, &count));
  HOLDS(count == 2);
  NONE(host->dim_value(call, dims[0], &integer));
  OK(host->dim_text(call, dims[0], &text));
  HOLDS(same(text, "n"));
  OK(host->dim_value(call, dims[1], &integer));
  HOLDS(integer == 4);
  OK(host->dim_add(call, dims[0], dims[1], &sum));
  OK(host->dim_text(call, sum, &text));
  HOLDS(same(text, "n + 4"));
  OK(host->dim_subtract(call, sum, dims[1], &sum));
  OK(host->dim_equal(call, sum, dims[0], &equal));
  HOLDS(equal == 1);
  OK(host->dim_integer(call, 6, &six));
  OK(host->dim_multiply(call, six, dims[1], &sum));
  OK(host->dim_divide(call, sum, six, &sum));
  OK(host->dim_equal(call, sum, dims[1], &equal));
  HOLDS(equal == 1);
  OK(host->dim_max(call, six, dims[1], &sum));
  OK(host->dim_equal(call, sum, six, &equal));
  HOLDS(equal == 1);
  OK(host->dim_min(call, six, dims[1], &sum));
  OK(host->dim_equal(call, sum, six, &equal));
  HOLDS(equal == 0);
  OK(host->dim_integer(call, 0, &sum));
  BAD(host->dim_divide(call, six, sum, &sum));
  BAD(host->dim_add(call, 9999, six, &sum));
  BAD(host->dim_symbol(call, T(""), &sum));
  BAD(host->dim_unknown(call, &sum));

  NONE(host->value_tensor(call, q, &tensor));
  NONE(host->value_number(call, q, &number));
  OK(host->value_tensor(call, add[1], &tensor));
  HOLDS(tensor.type == CAMEO_FLOAT && tensor.rank == 1 && tensor.dims[0] == 4 && tensor.byte_count == 16);
  HOLDS(((const float *)tensor.data)[3] == 4 && (uintptr_t)tensor.data % 4 == 0);
  NONE(host->value_number(call, add[1], &number));
  BAD(host->value_texts(call, add[1], &text, 1, &count));
  OK(host->value_contents(call, k[1], dims, 4, &count));
  OK(host->dim_value(call, dims[1], &integer));
  HOLDS(count == 2 && integer == -1);
  NONE(host->value_contents(call, q, dims, 4, &count));
  NONE(host->value_producer(call, add[1], &node, &index));
  OK(host->value_uses(call, q, uses, 4, &count));
  HOLDS(count == 1 && uses[0].node == nodes[2] && uses[0].index == 0);
  BAD(host->value_uses(call, CAMEO_NONE, uses, 4, &count));
  return CAMEO_OK;
}

static cameo_status change_graph(const cameo_host *host, cameo_call call, const cameo_node *nodes) {
  const int64_t shape[2] = {2, 2}, wrong[2] = {-1, 4};
  const float data[4] = {1, 2, 3, 4};
  cameo_tensor tensor = {CAMEO_FLOAT, 2, shape, data, sizeof data}, bad;
  cameo_text words[2] = {T("a"), T("b")};
  cameo_value x[2], p, value, outputs[2];
  cameo_change change, other;
  cameo_node node;
  int32_t allowed;
  size_t count;

  OK(host->target(call, &allowed));
  HOLDS(allowed == CAMEO_TARGET_ONNX);
  OK(host->may_emit(call, 1, &allowed));
  HOLDS(allowed == 1);
  OK(host->may_emit(call, 99, &allowed));
  HOLDS(allowed == 0);
  OK(host->node_inputs(call, nodes[0], x, 2, &count));
  OK(host->node_outputs(call, nodes[0], &p, 1, &count));

  node = CAMEO_NONE;
  BAD(host->change_begin(call, T("r"), &node, 1, 0, &change));
  BAD(host->change_begin(call, T("r"), NULL, 1, 0, &change));
  BAD(host->change_begin(call, T("r"), NULL, 0, 0, NULL));
  OK(host->change_begin(call, T("r"), NULL, 0, 0, &other));
  OK(host->change_discard(call, other));
  BAD(host->change_discard(call, other));
  BAD(host->change_apply(call, other));
  BAD(host->change_int(call, other, nodes[0], T("a"), 1));

  OK(host->change_begin(call, T("Checked"), nodes, 1, 1, &change));
  bad = tensor, bad.byte_count = 15;
  BAD(host->change_constant(call, change, &bad, &value));
  bad = tensor, bad.data = NULL;
  BAD(host->change_constant(call, change, &bad, &value));
  bad = tensor, bad.dims = NULL;
  BAD(host->change_constant(call, change, &bad, &value));
  bad = tensor, bad.dims = wrong;
  GIVES(CAMEO_FAILED, host->change_constant(call, change, &bad, &value));
  bad = tensor, bad.rank = -1;
  BAD(host->change_constant(call, change, &bad, &value));
  bad = tensor, bad.rank = 1 << 30;
  BAD(host->change_constant(call, change, &bad, &value));
  bad = tensor, bad.type = 77;
  BAD(host->change_constant(call, change, &bad, &value));
  bad = tensor, bad.type = CAMEO_STRING;
  BAD(host->change_constant(call, change, &bad, &value));
  BAD(host->change_constant(call, change, NULL, &value));
  BAD(host->change_constant(call, change, &tensor, NULL));
  GIVES(CAMEO_FAILED, host->change_constant_texts(call, change, words, 2, shape, 2, &value));
  OK(host->change_constant_texts(call, change, words, 2, shape, 1, &value));

  BAD(host->change_node(call, change, T(""), T(""), x, 2, outputs, 1, &node));
  BAD(host->change_node(call, change, T(""), T("Add"), NULL, 2, outputs, 1, &node));
  BAD(host->change_node(call, change, T(""), T("Add"), x, SIZE_MAX, outputs, 1, &node));
  BAD(host->change_node(call, change, T(""), T("Add"), x, 2, NULL, 1, &node));
  BAD(host->change_node(call, change, T(""), T("Add"), x, 2, outputs, SIZE_MAX, &node));
  value = 0x80000000u + 500;
  BAD(host->change_node(call, change, T(""), T("Add"), &value, 1, outputs, 1, &node));
  OK(host->change_node(call, change, T(""), T("Add"), x, 2, outputs, 1, &node));
  BAD(host->change_int(call, change, node + 1, T("a"), 1));
  BAD(host->change_int(call, change, node, T(""), 1));
  OK(host->change_int(call, change, node, T("i"), 5));
  OK(host->change_float(call, change, node, T("f"), 5));
  OK(host->change_text(call, change, node, T("t"), T("five")));
  OK(host->change_ints(call, change, node, T("is"), shape, 2));
  BAD(host->change_ints(call, change, node, T("is"), NULL, 2));
  OK(host->change_floats(call, change, node, T("fs"), data, 4));
  OK(host->change_texts(call, change, node, T("ts"), words, 2));
  OK(host->change_tensor(call, change, node, T("v"), &tensor));
  OK(host->change_copy_attributes(call, change, node, nodes[1]));
  BAD(host->change_copy_attributes(call, change, nodes[0], nodes[1]));
  GIVES(CAMEO_FAILED, host->change_copy_attributes(call, change, node, nodes[3]));
  OK(host->change_without(call, change, node, T("alpha")));
  OK(host->change_float(call, change, nodes[1], T("alpha"), 0.25f));
  BAD(host->change_replace(call, change, outputs[0], p));
  BAD(host->change_replace(call, change, p, CAMEO_NONE));
  OK(host->change_replace(call, change, p, outputs[0]));
  BAD(host->change_remove(call, change, 1000000));
  OK(host->change_apply(call, change));
  BAD(host->change_apply(call, change));
  NONE(host->node_exists(call, nodes[0]));
  BAD(host->node_inputs(call, nodes[0], x, 2, &count));

  /* An input far beyond the last is refused as a whole. */
  OK(host->change_begin(call, T("far"), NULL, 0, 0, &change));
  OK(host->change_input(call, change, nodes[1], 0x40000000, x[0]));
  GIVES(CAMEO_FAILED, host->change_apply(call, change));
  OK(host->change_begin(call, T("left open"), NULL, 0, 0, &change));
  BAD(host->refuse(call, T("Checked"), nodes[0], T("it is gone"), CAMEO_NONE));
  return CAMEO_OK;
}

static cameo_status check(const cameo_host *host, cameo_call call, void *data) {
  cameo_node nodes[8];
  cameo_pass pass = {.size = sizeof pass, .name = T("Late"), .level = 1, .run = check};
  size_t count;
  float number;
  HOLDS(data == (void *)&failed && host->size >= sizeof(cameo_host) && host->version >= 1);
  HOLDS(CAMEO_HAS(host, output_texts));
  BAD(host->register_pass(call, &pass));
  BAD(host->input_count(call, &count));
  OK(host->region_nodes(call, CAMEO_MAIN_REGION, nodes, 8, &count));
  /* The passes run until nothing changes: the second time it is done. */
  OK(host->attribute_float(call, nodes[1], T("alpha"), &number));
  if (number == 0.25f) return host->refuse(call, T("Checked"), nodes[1], T("the checks refuse it"), nodes[2]);
  if (read_graph(host, call, nodes) != CAMEO_OK) return CAMEO_FAILED;
  if (read_attributes(host, call, nodes) != CAMEO_OK) return CAMEO_FAILED;
  if (read_values(host, call, nodes) != CAMEO_OK) return CAMEO_FAILED;
  return change_graph(host, call, nodes);
}

/* ---- Passes that go wrong ---- */

static cameo_status fails(const cameo_host *host, cameo_call call, void *data) {
  (void)data;
  return host->fail(call, T("no more"));
}

static cameo_status silent(const cameo_host *host, cameo_call call, void *data) {
  (void)host, (void)call, (void)data;
  return -5;
}

static cameo_status loops(const cameo_host *host, cameo_call call, void *data) {
  cameo_node nodes[64];
  cameo_value x, y;
  cameo_change change;
  size_t count;
  (void)data;
  OK(host->region_nodes(call, CAMEO_MAIN_REGION, nodes, 1, &count));
  for (;;) {
    OK(host->node_inputs(call, nodes[0], &x, 1, &count));
    OK(host->change_begin(call, T("again"), NULL, 0, 0, &change));
    OK(host->change_node(call, change, T(""), T("Abs"), &x, 1, &y, 1, NULL));
    OK(host->change_input(call, change, nodes[0], 0, y));
    cameo_status status = host->change_apply(call, change);
    if (status != CAMEO_OK) return status;
  }
}

/* Makes a cycle and says that all is well. */
static cameo_status breaks(const cameo_host *host, cameo_call call, void *data) {
  cameo_node nodes[8];
  cameo_value y;
  cameo_change change;
  size_t count;
  (void)data;
  OK(host->region_nodes(call, CAMEO_MAIN_REGION, nodes, 8, &count));
  OK(host->region_outputs(call, CAMEO_MAIN_REGION, &y, 1, &count));
  OK(host->change_begin(call, T("cycle"), NULL, 0, 0, &change));
  OK(host->change_input(call, change, nodes[0], 0, y));
  host->change_apply(call, change);
  return CAMEO_OK;
}

/* ---- test.checks.Probe(x, [s], texts) -> (y, words): y is x + bias by the rows of s, words the texts reversed ---- */

static cameo_status infer(const cameo_host *host, cameo_call call, void *data) {
  cameo_dim dims[8], fresh;
  cameo_text text;
  int32_t type, rank;
  size_t count;
  (void)data;
  OK(host->input_count(call, &count));
  HOLDS(count == 3);
  OK(host->output_count(call, &count));
  HOLDS(count == 2);
  NONE(host->input_type(call, 1, &type, &rank));
  NONE(host->input_type(call, SIZE_MAX, &type, &rank));
  OK(host->input_type(call, 0, &type, &rank));
  HOLDS(type == CAMEO_FLOAT && rank == 1);
  BAD(host->output_texts(call, 1, NULL, 0, NULL, 0));
  OK(host->dim_unknown(call, &fresh));
  OK(host->dim_text(call, fresh, &text));
  HOLDS(text.size > 0);
  BAD(host->set_output(call, 2, CAMEO_FLOAT, dims, 0));
  BAD(host->set_output(call, 0, 1000, dims, 0));
  BAD(host->set_output(call, 0, CAMEO_FLOAT, NULL, 1));
  OK(host->input_dims(call, 0, dims, 8, &count));
  OK(host->set_output(call, 0, CAMEO_FLOAT, dims, 1));
  return host->set_output(call, 1, CAMEO_STRING, &fresh, 1);
}

static cameo_status evaluate(const cameo_host *host, cameo_call call, void *data) {
  cameo_tensor x, other;
  cameo_text words[4], reversed[4];
  int64_t wrong[1] = {77}, length;
  float bias, *out;
  void *memory;
  size_t count, bytes, index;
  (void)data;
  OK(host->input_tensor(call, 0, &x));
  NONE(host->input_tensor(call, 1, &other));
  OK(host->attribute_float(call, CAMEO_THIS_NODE, T("bias"), &bias));
  OK(host->input_texts(call, 2, words, 4, &count));
  HOLDS(count == 2);
  BAD(host->input_texts(call, 0, words, 4, &count));
  BAD(host->output_tensor(call, 0, CAMEO_FLOAT, wrong, 1, &memory, &bytes));
  BAD(host->output_tensor(call, 0, CAMEO_DOUBLE, x.dims, 1, &memory, &bytes));
  BAD(host->output_tensor(call, 2, CAMEO_FLOAT, x.dims, 1, &memory, &bytes));
  BAD(host->output_tensor(call, 1, CAMEO_STRING, x.dims, 1, &memory, &bytes));
  OK(host->output_tensor(call, 0, CAMEO_FLOAT, x.dims, 1, &memory, &bytes));
  HOLDS((uintptr_t)memory % 64 == 0 && bytes == x.byte_count);
  out = memory;
  for (index = 0; index < bytes / sizeof(float); ++index) out[index] = ((const float *)x.data)[index] + bias;
  for (index = 0; index < count; ++index) reversed[index] = words[count - 1 - index];
  length = (int64_t)count;
  return host->output_texts(call, 1, reversed, count, &length, 1);
}

CAMEO_PLUGIN_EXPORT cameo_status cameo_plugin_register(const cameo_host *host, cameo_call call) {
  cameo_pass passes[] = {
      {.size = sizeof(cameo_pass), .name = T("Checks"), .level = 4, .place = CAMEO_PLACE_LAST, .data = (void *)&failed, .run = check},
      {.size = sizeof(cameo_pass), .name = T("CFails"), .level = 4, .run = fails},
      {.size = sizeof(cameo_pass), .name = T("CSilent"), .level = 4, .run = silent},
      {.size = sizeof(cameo_pass), .name = T("CLoops"), .level = 4, .run = loops},
      {.size = sizeof(cameo_pass), .name = T("CBreaks"), .level = 4, .run = breaks},
  };
  cameo_operator op = {
      .size = sizeof op,
      .domain = T("test.checks"),
      .name = T("Probe"),
      .signature = T("D test.checks 1\nO Probe 1 3 3 2 2\na bias float=0.5\ni x T\ni? s T\ni texts S\no y T\no words S\n"
                     "c T tensor(*):float\nc S tensor(*):string"),
      .infer = infer,
      .evaluate = evaluate,
  };
  for (size_t index = 0; index < sizeof passes / sizeof passes[0]; ++index) OK(host->register_pass(call, &passes[index]));
  OK(host->register_operator(call, &op));
  return host->register_rules(call, T("rule CRule level 3 { match { a = Abs!(x) y = Abs(a) } rewrite { y = Abs(x) } }"), T("c.rules"));
}
