import GraphIR
import Tensors

/// Which IR version a file needs.
///
/// Source: the version table of onnx 1.23's `helper.py`, and the IR notes of onnx.proto.
enum IRVersions {
  /// The IR version that came with an opset of the standard domain.
  static func of(opset: Int) -> Int {
    switch opset {
    case ..<9: 3
    case 9: 4
    case 10: 5
    case 11: 6
    case 12...14: 7
    case 15...18: 8
    case 19, 20: 9
    case 21, 22: 10
    case 23: 11
    case 24: 12
    case 25...27: 13
    default: 14
    }
  }

  static func of(_ type: DataType) -> Int {
    switch type {
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz: 9
    case .uint4, .int4: 10
    case .float4e2m1: 11
    case .float8e8m0: 12
    case .uint2, .int2: 13
    case .float6e2m3, .float6e3m2: 14
    case .bfloat16: 4
    default: 3
    }
  }

  static func of(_ type: ValueType) -> Int {
    switch type {
    case .tensor(let element, _): element.map { of($0) } ?? 3
    case .sparse(let element, _): max(5, element.map { of($0) } ?? 3)
    case .sequence(let element): of(element)
    case .optional(let element): max(8, of(element))
    case .map(let key, let value): max(of(key), of(value))
    case .opaque: 4
    }
  }

  /// The lowest that the contents of `graph` can stand in, whatever its opset.
  static func needed(by graph: Graph) -> Int {
    var result = 3
    for id in graph.allValues {
      if let type = graph[id].type { result = max(result, of(type)) }
      // Before IR 4 an initializer had to be an input too.
      if graph[id].constant != nil { result = max(result, 4) }
      if case .sparse = graph[id].constant { result = max(result, 5) }
    }
    return result
  }

  static func needed(by function: Function) -> Int { function.overload.isEmpty ? 8 : 10 }
}
