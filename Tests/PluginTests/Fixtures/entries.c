/* Entry points that go wrong; -DVARIANT chooses one. */
#include "cameo_plugin.h"

#define NO_ENTRY 0
#define FAILS 1
#define TOO_OLD 2
#define SILENT 3
#define BUILT_IN_PASS 4
#define BUILT_IN_OPERATOR 5
#define NO_SIZE 6
#define NO_FUNCTION 7
#define BAD_SIGNATURE 8
#define BAD_RULES 9
#define TWICE 10
#define BAD_TEXT 11
#define LEVEL_ZERO 12
#define READS_GRAPH 13

#if VARIANT != NO_ENTRY

static cameo_status nothing(const cameo_host *host, cameo_call call, void *data) {
  (void)host, (void)call, (void)data;
  return CAMEO_OK;
}

CAMEO_PLUGIN_EXPORT cameo_status cameo_plugin_register(const cameo_host *host, cameo_call call) {
  cameo_pass pass = {.size = sizeof pass, .name = CAMEO_TEXT("EntryPass"), .level = 1, .run = nothing};
  cameo_operator op = {
      .size = sizeof op,
      .domain = CAMEO_TEXT("test.entries"),
      .name = CAMEO_TEXT("Nothing"),
      .infer = nothing,
      .evaluate = nothing,
  };
  cameo_status status = host->register_operator(call, &op);
  if (status != CAMEO_OK) return status;
  /* The operator must not stay when what follows fails. */
  switch (VARIANT) {
  case FAILS: return host->fail(call, CAMEO_TEXT("the licence\nhas run out"));
  case TOO_OLD: return CAMEO_TOO_OLD;
  case SILENT: return 77;
  case BUILT_IN_PASS: pass.name = CAMEO_TEXT("FuseGelu"); break;
  case BUILT_IN_OPERATOR: op.domain = CAMEO_TEXT("ai.onnx"), op.name = CAMEO_TEXT("Relu"); return host->register_operator(call, &op);
  case NO_SIZE: pass.size = 0; break;
  case NO_FUNCTION: pass.run = NULL; break;
  case BAD_SIGNATURE: op.name = CAMEO_TEXT("Other"), op.signature = CAMEO_TEXT("O Other"); return host->register_operator(call, &op);
  case BAD_RULES: return host->register_rules(call, CAMEO_TEXT("rule R {"), CAMEO_TEXT("inside.rules"));
  case TWICE: host->register_pass(call, &pass); break;
  case BAD_TEXT: pass.name = CAMEO_TEXT("\xff\xfe"); break;
  case LEVEL_ZERO: pass.level = 0; break;
  case READS_GRAPH: {
    size_t count;
    return host->region_nodes(call, CAMEO_MAIN_REGION, NULL, 0, &count);
  }
  }
  return host->register_pass(call, &pass);
}

#endif
