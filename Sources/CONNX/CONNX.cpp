// libonnx and libprotobuf behind extern "C": see include/CONNX.h for the contract.

#include "CONNX.h"

// SwiftPM defines DEBUG in debug builds; the version converter has a member of that name.
#undef DEBUG

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_set>

#include "onnx/checker.h"
#include "onnx/defs/parser.h"
#include "onnx/defs/printer.h"
#include "onnx/defs/schema.h"
#include "onnx/onnx_pb.h"
#include "onnx/shape_inference/implementation.h"
#include "onnx/version_converter/convert.h"

namespace {

/// A failure with the code that the caller gets.
struct Failure : std::runtime_error {
  int code;
  Failure(int code, const std::string& what) : std::runtime_error(what), code(code) {}
};

char* copyText(const char* text, size_t length) noexcept {
  char* copy = static_cast<char*>(std::malloc(length + 1));
  if (copy == nullptr) return nullptr;
  if (length > 0) std::memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

void setError(char** error, const char* text) noexcept {
  if (error != nullptr) *error = copyText(text, std::strlen(text));
}

/// protobuf prints its complaints to stderr unless it has a handler.
void silenceProtobuf() {
  static const bool done = [] {
    google::protobuf::SetLogHandler(nullptr);
    return true;
  }();
  (void)done;
}

/// Runs `body`; every exception becomes a code and a message.
template <typename Body>
int guarded(char** error, Body body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    silenceProtobuf();
    body();
    return CONNX_OK;
  } catch (const Failure& failure) {
    setError(error, failure.what());
    return failure.code;
  } catch (const std::bad_alloc&) {
    setError(error, "out of memory");
    return CONNX_NO_MEMORY;
  } catch (const std::exception& exception) {
    setError(error, exception.what());
    return CONNX_REJECTED;
  } catch (...) {
    setError(error, "unknown exception in libonnx");
    return CONNX_INTERNAL;
  }
}

template <typename Proto>
Proto read(const void* bytes, size_t length) {
  if (bytes == nullptr && length > 0) throw Failure(CONNX_BAD_ARGUMENT, "bytes is NULL");
  if (length > INT_MAX) throw Failure(CONNX_BAD_ARGUMENT, "a message above 2 GiB - 1");
  google::protobuf::io::ArrayInputStream stream(bytes, static_cast<int>(length));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(INT_MAX);
  Proto proto;
  if (!proto.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
    throw Failure(CONNX_BAD_BYTES, "not a serialized " + proto.GetTypeName());
  return proto;
}

template <typename Proto>
void write(const Proto& proto, void** out, size_t* out_length) {
  size_t length = proto.ByteSizeLong();
  if (length > INT_MAX) throw Failure(CONNX_REJECTED, "the result is above 2 GiB - 1");
  void* memory = std::malloc(length > 0 ? length : 1);
  if (memory == nullptr) throw std::bad_alloc();
  if (!proto.SerializeToArray(memory, static_cast<int>(length))) {
    std::free(memory);
    throw Failure(CONNX_REJECTED, "protobuf could not serialize the result");
  }
  *out = memory;
  *out_length = length;
}

void writeText(const std::string& text, char** out) {
  *out = copyText(text.data(), text.size());
  if (*out == nullptr) throw std::bad_alloc();
}

void clear(void** out, size_t* out_length) {
  if (out == nullptr || out_length == nullptr) throw Failure(CONNX_BAD_ARGUMENT, "a result pointer is NULL");
  *out = nullptr;
  *out_length = 0;
}

void clear(char** out) {
  if (out == nullptr) throw Failure(CONNX_BAD_ARGUMENT, "a result pointer is NULL");
  *out = nullptr;
}

/// The converter takes the null value behind a graph output that its graph does not define; the checker lets it by.
void checkOutputs(const onnx::GraphProto& graph) {
  std::unordered_set<std::string> defined;
  for (const auto& input : graph.input()) defined.insert(input.name());
  for (const auto& initializer : graph.initializer()) defined.insert(initializer.name());
  for (const auto& node : graph.node()) {
    defined.insert(node.output().begin(), node.output().end());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) checkOutputs(attribute.g());
      for (const auto& subgraph : attribute.graphs()) checkOutputs(subgraph);
    }
  }
  for (const auto& output : graph.output())
    if (output.name().empty() || defined.count(output.name()) == 0)
      throw Failure(CONNX_REJECTED, "graph output \"" + output.name() + "\" is not defined in its graph");
}

/// OnnxParser recurses without a limit, at one bracket a level.
void checkDepth(const char* text) {
  int depth = 0;
  bool quoted = false;
  for (; *text != 0; ++text) {
    if (*text == '"') quoted = !quoted;
    if (quoted) continue;
    if (*text == '(' || *text == '{') ++depth;
    if (*text == ')' || *text == '}') --depth;
    if (depth > 256) throw Failure(CONNX_REJECTED, "text nested deeper than 256 brackets");
  }
}

template <typename Proto>
void parseText(const char* text, void** out, size_t* out_length) {
  Proto proto;
  onnx::OnnxParser parser(text);
  auto status = parser.Parse(proto);
  if (!status.IsOK()) throw Failure(CONNX_REJECTED, status.ErrorMessage());
  if (!parser.EndOfInput())
    throw Failure(CONNX_REJECTED, "text follows the end " + parser.GetCurrentPos());
  write(proto, out, out_length);
}

template <typename Proto>
void print(const void* bytes, size_t length, char** out) {
  std::ostringstream stream;
  stream << read<Proto>(bytes, length);
  writeText(stream.str(), out);
}

}  // namespace

extern "C" {

int connx_check(const void* bytes, size_t length, char** error) {
  return guarded(error, [&] { onnx::checker::check_model(read<onnx::ModelProto>(bytes, length)); });
}

int connx_infer_shapes(const void* bytes, size_t length, int flags, void** out, size_t* out_length, char** error) {
  return guarded(error, [&] {
    clear(out, out_length);
    auto model = read<onnx::ModelProto>(bytes, length);
    onnx::ShapeInferenceOptions options(
        (flags & CONNX_INFER_CHECK_TYPES) != 0, (flags & CONNX_INFER_STRICT) != 0 ? 1 : 0,
        (flags & CONNX_INFER_DATA) != 0);
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), options);
    write(model, out, out_length);
  });
}

int connx_parse_text(const char* text, int kind, void** out, size_t* out_length, char** error) {
  return guarded(error, [&] {
    clear(out, out_length);
    if (text == nullptr) throw Failure(CONNX_BAD_ARGUMENT, "text is NULL");
    // On empty text OnnxParser's own message reads before the first character.
    if (*text == 0) throw Failure(CONNX_REJECTED, "empty text");
    checkDepth(text);
    switch (kind) {
      case CONNX_TEXT_MODEL: return parseText<onnx::ModelProto>(text, out, out_length);
      case CONNX_TEXT_GRAPH: return parseText<onnx::GraphProto>(text, out, out_length);
      case CONNX_TEXT_FUNCTION: return parseText<onnx::FunctionProto>(text, out, out_length);
      case CONNX_TEXT_NODE: return parseText<onnx::NodeProto>(text, out, out_length);
      default: throw Failure(CONNX_BAD_ARGUMENT, "unknown kind of text");
    }
  });
}

int connx_print_graph(const void* bytes, size_t length, char** out, char** error) {
  return guarded(error, [&] {
    clear(out);
    std::ostringstream stream;
    stream << read<onnx::ModelProto>(bytes, length).graph();
    writeText(stream.str(), out);
  });
}

int connx_print_text(const void* bytes, size_t length, int kind, char** out, char** error) {
  return guarded(error, [&] {
    clear(out);
    switch (kind) {
      case CONNX_TEXT_MODEL: {
        auto model = read<onnx::ModelProto>(bytes, length);
        std::ostringstream stream;
        stream << model.graph();
        for (const auto& function : model.functions()) stream << "\n" << function;
        return writeText(stream.str(), out);
      }
      case CONNX_TEXT_GRAPH: return print<onnx::GraphProto>(bytes, length, out);
      case CONNX_TEXT_FUNCTION: return print<onnx::FunctionProto>(bytes, length, out);
      case CONNX_TEXT_NODE: return print<onnx::NodeProto>(bytes, length, out);
      default: throw Failure(CONNX_BAD_ARGUMENT, "unknown kind of text");
    }
  });
}

int connx_convert_version(
    const void* bytes, size_t length, int target, void** out, size_t* out_length, char** error) {
  return guarded(error, [&] {
    clear(out, out_length);
    auto model = read<onnx::ModelProto>(bytes, length);
    if (model.functions_size() > 0)
      throw Failure(CONNX_REJECTED, "libonnx's version converter does not know local functions");
    // The converter dereferences what the checker refuses.
    onnx::checker::check_model(model);
    checkOutputs(model.graph());
    write(onnx::version_conversion::ConvertVersion(model, target), out, out_length);
  });
}

void connx_free(void* pointer) { std::free(pointer); }

}  // extern "C"
