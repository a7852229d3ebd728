/* Cameo's plugin interface for C, and for any language that can call C. docs/plugins.md is the tutorial.
 *
 * A plugin is a shared library that exports
 *
 *     cameo_status cameo_plugin_register(const cameo_host *host, cameo_call call);
 *
 * It is called once, when the library is loaded, and registers passes, operators and rules. It needs no library of Cameo:
 * everything goes through the table `host`, which stays valid as long as the process.
 *
 * Rules of this interface, in every version:
 * - Tables and descriptions start with their size and grow at the end only. A plugin that uses an entry newer than version 1
 *   asks CAMEO_HAS first. cameo_text, cameo_tensor and cameo_use never change.
 * - Things are named by integers. A handle that is wrong, stale or of another call gives CAMEO_BAD_ARGUMENT.
 * - Texts are UTF-8 with a length, not terminated. What the host hands out (texts, dims, data) stays valid and unchanged until
 *   the callback in which it was asked for returns; what the plugin hands over is copied before the function returns.
 * - Functions that fill an array take its capacity and store the full count, which may be larger; (NULL, 0) only counts.
 * - Every function returns a status. After any but CAMEO_OK and CAMEO_NOT_FOUND, last_error says why. Pointers that receive a
 *   result are written only with CAMEO_OK.
 * - A callback returns CAMEO_OK, or what it got from a function that failed, or what `fail` returned. A pass that fails is rolled
 *   back.
 * - A call belongs to the callback that got it and to the thread that made it. Inference and evaluation may run on several
 *   threads at once, each with a call of its own.
 */
#ifndef CAMEO_PLUGIN_H
#define CAMEO_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header: the host's is in cameo_host.version. Entries are only ever added. */
#define CAMEO_PLUGIN_VERSION 1

typedef int32_t cameo_status;
#define CAMEO_OK 0
/* What was asked for is not there (an input left out, a constant that is none): no error. */
#define CAMEO_NOT_FOUND 1
/* A handle, size, pointer or text that cannot be. */
#define CAMEO_BAD_ARGUMENT 2
/* The host could not do it; last_error says why. */
#define CAMEO_FAILED 3
/* The plugin needs entries that the host does not have. */
#define CAMEO_TOO_OLD 4

/* A call of the host into the plugin: the first argument of every function. */
typedef uint64_t cameo_call;
typedef uint32_t cameo_node;
typedef uint32_t cameo_value;
typedef uint32_t cameo_region;
typedef uint32_t cameo_change;
typedef uint32_t cameo_dim;

/* An input or output that is left out; a node where there is none. */
#define CAMEO_NONE 0xFFFFFFFFu
/* For the attribute functions in inference and evaluation: the node that is asked about. */
#define CAMEO_THIS_NODE 0xFFFFFFFEu
/* The graph itself; the bodies of control flow are other regions of it. */
#define CAMEO_MAIN_REGION 0u

/* UTF-8, not terminated. */
typedef struct cameo_text {
  const char *data;
  size_t size;
} cameo_text;

/* Element types are the numbers of ONNX's TensorProto.DataType; elements are row-major and packed as in raw_data.
 * Data that the host hands out is aligned for its type; `data` of a tensor of strings is NULL (ask the _strings functions). */
typedef struct cameo_tensor {
  int32_t type;
  int32_t rank;
  const int64_t *dims;
  const void *data;
  size_t byte_count;
} cameo_tensor;

/* Who reads a value: input `index` of `node`; where node is CAMEO_NONE, it is output `index` of the value's region. */
typedef struct cameo_use {
  cameo_node node;
  uint32_t index;
} cameo_use;

#define CAMEO_FLOAT 1
#define CAMEO_UINT8 2
#define CAMEO_INT8 3
#define CAMEO_INT32 6
#define CAMEO_INT64 7
#define CAMEO_STRING 8
#define CAMEO_BOOL 9
#define CAMEO_FLOAT16 10
#define CAMEO_DOUBLE 11

struct cameo_host;

/* Where a pass runs; within a place, plugins' passes follow the built-in ones, in the order of registration. */
#define CAMEO_PLACE_CLEANUP 0         /* with the clean-up passes, before and after the fusions */
#define CAMEO_PLACE_BEFORE_FUSIONS 1  /* once the graph is clean, before the built-in fusions see it */
#define CAMEO_PLACE_FUSIONS 2         /* with the fusions */
#define CAMEO_PLACE_MACHINE 3         /* with the passes of level 3 */
#define CAMEO_PLACE_LAST 4            /* after everything */

/* A pass. `level` is the lowest --level that runs it: 1 clean-up, 2 fusions, 3 forms for this machine; one above 3 runs only
 * where it is enabled by name. `run` is called until it changes nothing, a few times at most. */
typedef struct cameo_pass {
  size_t size; /* sizeof(cameo_pass) */
  cameo_text name;
  cameo_text summary;       /* one line */
  cameo_text documentation; /* before and after; may be empty */
  int32_t level;
  int32_t place;
  void *data; /* handed to run */
  cameo_status (*run)(const struct cameo_host *host, cameo_call call, void *data);
} cameo_pass;

/* Which operators a pass may emit: standard ones; also com.microsoft; also ai.cameo. */
#define CAMEO_TARGET_ONNX 0
#define CAMEO_TARGET_ORT 1
#define CAMEO_TARGET_CAMEO 2

#define CAMEO_TRAIT_RANDOM 1u        /* never folded, never merged */
#define CAMEO_TRAIT_COMMUTATIVE 2u   /* the first two inputs may be exchanged */
#define CAMEO_TRAIT_ELEMENTWISE 4u   /* output element i depends on the (broadcast) elements i only */
#define CAMEO_TRAIT_DATA_MOVEMENT 8u /* moves the elements of input 0 without computing */

/* An operator of a domain that Cameo does not know. */
typedef struct cameo_operator {
  size_t size; /* sizeof(cameo_operator) */
  cameo_text domain;
  cameo_text name;
  cameo_text signature; /* in the schema table's format (docs/plugins.md); may be empty */
  uint32_t traits;
  uint32_t reserved;
  void *data;
  /* States type and shape of each output as far as they follow from the inputs. */
  cameo_status (*infer)(const struct cameo_host *host, cameo_call call, void *data);
  /* Computes the outputs. */
  cameo_status (*evaluate)(const struct cameo_host *host, cameo_call call, void *data);
} cameo_operator;

typedef struct cameo_host {
  size_t size;      /* of this table in the host */
  uint32_t version; /* CAMEO_PLUGIN_VERSION of the host */
  uint32_t reserved;

  /* ---- Errors ---- */
  /* Sets the reason and returns CAMEO_FAILED: `return host->fail(call, CAMEO_TEXT("..."))`. */
  cameo_status (*fail)(cameo_call call, cameo_text reason);
  /* Why the last function of this call failed; empty where none did. */
  cameo_status (*last_error)(cameo_call call, cameo_text *reason);

  /* ---- Registration: in cameo_plugin_register only. All of a plugin's registrations hold, or none. ---- */
  cameo_status (*register_pass)(cameo_call call, const cameo_pass *pass);
  cameo_status (*register_operator)(cameo_call call, const cameo_operator *op);
  /* Passes in the rule language (docs/rules.md); `file` names the text in messages. */
  cameo_status (*register_rules)(cameo_call call, cameo_text rules, cameo_text file);

  /* ---- The graph: in a pass's run only ---- */
  /* Nodes in topological order. */
  cameo_status (*region_nodes)(cameo_call call, cameo_region region, cameo_node *nodes, size_t capacity, size_t *count);
  cameo_status (*region_inputs)(cameo_call call, cameo_region region, cameo_value *values, size_t capacity, size_t *count);
  cameo_status (*region_outputs)(cameo_call call, cameo_region region, cameo_value *values, size_t capacity, size_t *count);
  /* CAMEO_NOT_FOUND for a node that a change has removed. */
  cameo_status (*node_exists)(cameo_call call, cameo_node node);
  /* The standard domain is the empty text. Nodes are in the newest version of their operator. */
  cameo_status (*node_operator)(cameo_call call, cameo_node node, cameo_text *domain, cameo_text *name);
  cameo_status (*node_name)(cameo_call call, cameo_node node, cameo_text *name);
  cameo_status (*node_region)(cameo_call call, cameo_node node, cameo_region *region);
  /* CAMEO_NONE where one is left out. */
  cameo_status (*node_inputs)(cameo_call call, cameo_node node, cameo_value *values, size_t capacity, size_t *count);
  cameo_status (*node_outputs)(cameo_call call, cameo_node node, cameo_value *values, size_t capacity, size_t *count);
  /* The bodies that its attributes hold, in order. */
  cameo_status (*node_bodies)(cameo_call call, cameo_node node, cameo_region *regions, size_t capacity, size_t *count);

  /* ---- Attributes: of a node in a pass, of CAMEO_THIS_NODE in inference and evaluation ----
   * An absent attribute has the default of the operator's signature; CAMEO_NOT_FOUND where there is none.
   * CAMEO_FAILED where it is of another kind. */
  /* Those that the node states: name, and kind as in AttributeProto.AttributeType. */
  cameo_status (*attribute_count)(cameo_call call, cameo_node node, size_t *count);
  cameo_status (*attribute_at)(cameo_call call, cameo_node node, size_t index, cameo_text *name, int32_t *kind);
  cameo_status (*attribute_int)(cameo_call call, cameo_node node, cameo_text name, int64_t *value);
  cameo_status (*attribute_float)(cameo_call call, cameo_node node, cameo_text name, float *value);
  cameo_status (*attribute_text)(cameo_call call, cameo_node node, cameo_text name, cameo_text *value);
  cameo_status (*attribute_ints)(cameo_call call, cameo_node node, cameo_text name, int64_t *values, size_t capacity, size_t *count);
  cameo_status (*attribute_floats)(cameo_call call, cameo_node node, cameo_text name, float *values, size_t capacity, size_t *count);
  cameo_status (*attribute_texts)(cameo_call call, cameo_node node, cameo_text name, cameo_text *values, size_t capacity, size_t *count);
  cameo_status (*attribute_tensor)(cameo_call call, cameo_node node, cameo_text name, cameo_tensor *tensor);

  /* ---- Values: in a pass ---- */
  cameo_status (*value_name)(cameo_call call, cameo_value value, cameo_text *name);
  /* type 0: unknown, or no tensor. rank -1: unknown. */
  cameo_status (*value_type)(cameo_call call, cameo_value value, int32_t *type, int32_t *rank);
  /* As ONNX text writes it, other types than tensors, too: "float[N, 3]", "seq(float[])". CAMEO_NOT_FOUND where it is unknown. */
  cameo_status (*value_type_text)(cameo_call call, cameo_value value, cameo_text *text);
  /* CAMEO_NOT_FOUND where the rank is unknown. */
  cameo_status (*value_dims)(cameo_call call, cameo_value value, cameo_dim *dims, size_t capacity, size_t *count);
  /* The elements of a small integer tensor that shape arithmetic computes. CAMEO_NOT_FOUND where it is none. */
  cameo_status (*value_contents)(cameo_call call, cameo_value value, cameo_dim *dims, size_t capacity, size_t *count);
  /* The tensor that it always is. CAMEO_NOT_FOUND where it is no constant. */
  cameo_status (*value_tensor)(cameo_call call, cameo_value value, cameo_tensor *tensor);
  cameo_status (*value_texts)(cameo_call call, cameo_value value, cameo_text *texts, size_t capacity, size_t *count);
  /* The one number that every element of a constant is. CAMEO_NOT_FOUND where there is none. */
  cameo_status (*value_number)(cameo_call call, cameo_value value, double *number);
  /* The node and which output of it. CAMEO_NOT_FOUND for inputs and constants. */
  cameo_status (*value_producer)(cameo_call call, cameo_value value, cameo_node *node, uint32_t *index);
  cameo_status (*value_uses)(cameo_call call, cameo_value value, cameo_use *uses, size_t capacity, size_t *count);

  /* ---- Dimensions: integers, or expressions over symbols; in a pass and in inference ---- */
  cameo_status (*dim_integer)(cameo_call call, int64_t value, cameo_dim *dim);
  cameo_status (*dim_symbol)(cameo_call call, cameo_text name, cameo_dim *dim);
  /* CAMEO_NOT_FOUND where it is no integer. */
  cameo_status (*dim_value)(cameo_call call, cameo_dim dim, int64_t *value);
  cameo_status (*dim_text)(cameo_call call, cameo_dim dim, cameo_text *text);
  /* 1 where both are the same expression; 0 means that they may differ. */
  cameo_status (*dim_equal)(cameo_call call, cameo_dim a, cameo_dim b, int32_t *equal);
  cameo_status (*dim_add)(cameo_call call, cameo_dim a, cameo_dim b, cameo_dim *result);
  cameo_status (*dim_subtract)(cameo_call call, cameo_dim a, cameo_dim b, cameo_dim *result);
  cameo_status (*dim_multiply)(cameo_call call, cameo_dim a, cameo_dim b, cameo_dim *result);
  /* Rounds down. A division by 0 is CAMEO_BAD_ARGUMENT. */
  cameo_status (*dim_divide)(cameo_call call, cameo_dim a, cameo_dim b, cameo_dim *result);
  cameo_status (*dim_max)(cameo_call call, cameo_dim a, cameo_dim b, cameo_dim *result);
  cameo_status (*dim_min)(cameo_call call, cameo_dim a, cameo_dim b, cameo_dim *result);

  /* ---- Changes: in a pass ----
   * A change is begun, filled and applied, or discarded; what is not applied when run returns is discarded. New nodes and
   * values have handles at once, which are good for the functions change_* of this change and for no reading function.
   * Applying it gives the new nodes the origins of the covered nodes that die; those and their producers go where nothing
   * reads them any more. */
  /* May nodes of that opset's operators be emitted? */
  cameo_status (*may_emit)(cameo_call call, int64_t opset, int32_t *allowed);
  /* What the result is for: see CAMEO_TARGET_ONNX. */
  cameo_status (*target)(cameo_call call, int32_t *target);
  /* `covers`: the nodes that the change replaces; new nodes go to the region of the first. is_fusion: the report shows it. */
  cameo_status (*change_begin)(cameo_call call, cameo_text rule, const cameo_node *covers, size_t count, int32_t is_fusion, cameo_change *change);
  /* Adds a node with `output_count` outputs, whose handles are written to `outputs`; inputs may be CAMEO_NONE. */
  cameo_status (*change_node)(cameo_call call, cameo_change change, cameo_text domain, cameo_text name, const cameo_value *inputs, size_t input_count, cameo_value *outputs, size_t output_count, cameo_node *node);
  /* The attributes of a new or of an existing node. */
  cameo_status (*change_int)(cameo_call call, cameo_change change, cameo_node node, cameo_text name, int64_t value);
  cameo_status (*change_float)(cameo_call call, cameo_change change, cameo_node node, cameo_text name, float value);
  cameo_status (*change_text)(cameo_call call, cameo_change change, cameo_node node, cameo_text name, cameo_text value);
  cameo_status (*change_ints)(cameo_call call, cameo_change change, cameo_node node, cameo_text name, const int64_t *values, size_t count);
  cameo_status (*change_floats)(cameo_call call, cameo_change change, cameo_node node, cameo_text name, const float *values, size_t count);
  cameo_status (*change_texts)(cameo_call call, cameo_change change, cameo_node node, cameo_text name, const cameo_text *values, size_t count);
  cameo_status (*change_tensor)(cameo_call call, cameo_change change, cameo_node node, cameo_text name, const cameo_tensor *value);
  cameo_status (*change_without)(cameo_call call, cameo_change change, cameo_node node, cameo_text name);
  /* Gives a new node the attributes that `from` states. Bodies cannot be copied: CAMEO_FAILED. */
  cameo_status (*change_copy_attributes)(cameo_call call, cameo_change change, cameo_node node, cameo_node from);
  cameo_status (*change_constant)(cameo_call call, cameo_change change, const cameo_tensor *tensor, cameo_value *value);
  cameo_status (*change_constant_texts)(cameo_call call, cameo_change change, const cameo_text *texts, size_t count, const int64_t *dims, int32_t rank, cameo_value *value);
  /* Every reader of `old` reads `value`. */
  cameo_status (*change_replace)(cameo_call call, cameo_change change, cameo_value old, cameo_value value);
  cameo_status (*change_input)(cameo_call call, cameo_change change, cameo_node node, uint32_t index, cameo_value value);
  /* Removes a node that nothing reads. */
  cameo_status (*change_remove)(cameo_call call, cameo_change change, cameo_node node);
  /* After a failure nothing of the change was made; the handle is gone either way. */
  cameo_status (*change_apply)(cameo_call call, cameo_change change);
  cameo_status (*change_discard)(cameo_call call, cameo_change change);
  /* Says why `rule` was not applied at `node`, for --explain and reports; `obstacle` may be CAMEO_NONE. */
  cameo_status (*refuse)(cameo_call call, cameo_text rule, cameo_node node, cameo_text reason, cameo_node obstacle);

  /* ---- Operators: inputs, in inference and evaluation ---- */
  cameo_status (*input_count)(cameo_call call, size_t *count);
  cameo_status (*output_count)(cameo_call call, size_t *count);
  /* As value_type; CAMEO_NOT_FOUND where the input is left out. */
  cameo_status (*input_type)(cameo_call call, size_t index, int32_t *type, int32_t *rank);
  cameo_status (*input_dims)(cameo_call call, size_t index, cameo_dim *dims, size_t capacity, size_t *count);
  cameo_status (*input_contents)(cameo_call call, size_t index, cameo_dim *dims, size_t capacity, size_t *count);
  /* In evaluation always there unless left out; in inference only where the input is a constant. */
  cameo_status (*input_tensor)(cameo_call call, size_t index, cameo_tensor *tensor);
  cameo_status (*input_texts)(cameo_call call, size_t index, cameo_text *texts, size_t capacity, size_t *count);

  /* ---- Inference ---- */
  /* A dimension that is not known before the run. */
  cameo_status (*dim_unknown)(cameo_call call, cameo_dim *dim);
  /* type 0: unknown. rank -1: unknown (dims is not read). */
  cameo_status (*set_output)(cameo_call call, size_t index, int32_t type, const cameo_dim *dims, int32_t rank);

  /* ---- Evaluation ---- */
  /* Memory for output `index`, zeroed, aligned to 64 bytes, valid until evaluate returns: write the elements there. Type and
   * dims must be what inference says of these inputs. */
  cameo_status (*output_tensor)(cameo_call call, size_t index, int32_t type, const int64_t *dims, int32_t rank, void **data, size_t *byte_count);
  cameo_status (*output_texts)(cameo_call call, size_t index, const cameo_text *texts, size_t count, const int64_t *dims, int32_t rank);
} cameo_host;

/* A literal as a cameo_text. */
#ifdef __cplusplus
#define CAMEO_TEXT(literal) (cameo_text{literal, sizeof(literal) - 1})
#else
#define CAMEO_TEXT(literal) ((cameo_text){literal, sizeof(literal) - 1})
#endif

/* True where the host's table has this entry. */
#define CAMEO_HAS(host, entry) ((host)->size >= offsetof(cameo_host, entry) + sizeof((host)->entry))

/* What a plugin defines. */
#ifdef _WIN32
#define CAMEO_PLUGIN_EXPORT __declspec(dllexport)
#else
#define CAMEO_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

typedef cameo_status (*cameo_plugin_register_function)(const cameo_host *host, cameo_call call);

#ifdef __cplusplus
}
#endif

#endif
