#ifndef CAMEO_CONNX_H
#define CAMEO_CONNX_H

#include <stddef.h>
#include <stdint.h>

/// libonnx 1.12 (opset 17, IR 8) as a test oracle. The product does not link this: ONNXFormat reads the wire itself.
///
/// Every function returns 0, or a CONNX_* code with `*error` set to a message (NUL-terminated, never NULL then).
/// `bytes` is a serialized ModelProto, at most 2 GiB - 1. Results come from malloc: release each, and each error,
/// with `connx_free`. On failure the results are NULL and 0. `error` may be NULL when the message is not wanted.
/// No C++ exception leaves, nothing is printed, and calls may run on many threads at once.
#ifdef __cplusplus
extern "C" {
#endif

enum {
  CONNX_OK = 0,
  CONNX_BAD_ARGUMENT = 1,  ///< a NULL pointer or a length above 2 GiB - 1
  CONNX_BAD_BYTES = 2,     ///< not a ModelProto, or nested deeper than protobuf allows
  CONNX_REJECTED = 3,      ///< libonnx refused it: the message is libonnx's
  CONNX_NO_MEMORY = 4,
  CONNX_INTERNAL = 5,  ///< an exception that is not std::exception
};

/// onnx.checker.check_model. External data is looked for in the current directory.
int connx_check(const void *bytes, size_t length, char **error);

enum {
  CONNX_INFER_CHECK_TYPES = 1,  ///< inputs are checked against their type constraints
  CONNX_INFER_STRICT = 2,       ///< an operator's inference error is an error; else it is skipped
  CONNX_INFER_DATA = 4,         ///< propagate shape data (data_prop)
};

/// onnx.shape_inference.infer_shapes; `flags` joins CONNX_INFER_*. Unknown operators are skipped.
int connx_infer_shapes(const void *bytes, size_t length, int flags, void **out, size_t *out_length, char **error);

/// What a text holds.
enum {
  CONNX_TEXT_MODEL = 0,     ///< `<ir_version: 8, opset_import: ["" : 17]>`, a graph, its functions: a ModelProto
  CONNX_TEXT_GRAPH = 1,     ///< `agraph (...) => (...) {...}`: a GraphProto
  CONNX_TEXT_FUNCTION = 2,  ///< a FunctionProto
  CONNX_TEXT_NODE = 3,      ///< a NodeProto
};

/// OnnxParser: `text` (NUL-terminated, of the kind CONNX_TEXT_*) to that kind's serialized message. Text after it
/// is an error, and so are more than 256 nested brackets.
int connx_parse_text(const char *text, int kind, void **out, size_t *out_length, char **error);

/// The main graph of a model as ONNX text, NUL-terminated.
int connx_print_graph(const void *bytes, size_t length, char **out, char **error);

/// Like connx_print_graph, for a serialized message of the kind CONNX_TEXT_*; a model gives its graph, then its
/// functions.
int connx_print_text(const void *bytes, size_t length, int kind, char **out, char **error);

/// The model with its default domain converted to opset `target` (1...17). A model that connx_check rejects is rejected
/// here too, and so is one with local functions. libonnx has few adapters, and its converter is not hardened: give it
/// models that the tests made, not hostile bytes.
int connx_convert_version(
    const void *bytes, size_t length, int target, void **out, size_t *out_length, char **error);

/// Releases what a function above returned; NULL is allowed.
void connx_free(void *pointer);

#ifdef __cplusplus
}
#endif

#endif
