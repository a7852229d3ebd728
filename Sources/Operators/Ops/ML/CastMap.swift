import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// CastMap: the values of a map with int64 keys as [1, size], cast. DENSE lists them by ascending key; SPARSE puts each at its
/// key's place among `max_map`, the others 0 (strings: "0.f", as in ONNX Runtime).
///
/// A key outside 0 ..< max_map is an error under SPARSE, as the standard demands (ONNX Runtime drops those above). Floats become
/// strings with six decimals and strings numbers by the longest prefix that is one, as in ONNX Runtime.
struct CastMap: Operator {
  let name = OperatorName("CastMap", domain: "ai.onnx.ml")

  private func outputType(_ attributes: AttributeReader) throws -> DataType {
    switch try attributes.string("cast_to", default: "TO_FLOAT") {
    case "TO_FLOAT": return .float
    case "TO_STRING": return .string
    case "TO_INT64": return .int64
    case let other:
      throw CameoError.badInput("cast_to is \(other); TO_FLOAT, TO_STRING or TO_INT64 was expected")
    }
  }

  /// The number of places under SPARSE; nil under DENSE.
  private func sparseSize(_ attributes: AttributeReader) throws -> Int? {
    switch try attributes.string("map_form", default: "DENSE") {
    case "DENSE": return nil
    case "SPARSE":
      let size = try attributes.int("max_map", default: 1)
      guard size > 0 else { throw CameoError.badInput("max_map is \(size), 1 or more was expected") }
      return size
    case let other: throw CameoError.badInput("map_form is \(other); DENSE or SPARSE was expected")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    if case .map(let key, _)? = context.type(0), key != .int64 {
      throw CameoError.badInput("the map's keys are \(key), int64 was expected")
    }
    let size = try sparseSize(context.attributes).map { Dim($0) } ?? context.unknownDim()
    context.set(0, try outputType(context.attributes), [1, size])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let map = try MLMap(try context.value(0))
    guard map.keys.dataType == .int64 else {
      throw CameoError.badInput("the map's keys are \(map.keys.dataType), int64 was expected")
    }
    let size = try sparseSize(context.attributes)
    let keys = try map.keys.ints()
    var places: [Int: Tensor] = [:]
    for (key, value) in zip(keys, map.values) {
      if let size, key < 0 || key >= size {
        throw CameoError.badInput("key \(key) lies outside 0 to max_map - 1 = \(size - 1)")
      }
      places[key] = value
    }
    // Each value with its place.
    let entries = size != nil ? Array(places) : places.sorted { $0.key < $1.key }.enumerated().map { ($0, $1.value) }
    let shape = [1, size ?? entries.count]
    let count = try Tensor.elementCount(shape)
    switch try outputType(context.attributes) {
    case .string:
      try MemoryBudget.shared.check(count &* MemoryLayout<String>.stride)
      var strings = [String](repeating: "0.f", count: count)
      for (place, value) in entries { strings[place] = try text(value) }
      return [.tensor(try Tensor(strings: strings, shape: shape))]
    case .int64:
      return [
        .tensor(
          try Tensor.make(.int64, shape, as: Int64.self) { out in
            for (place, value) in entries { out[place] = try whole(value) }
          })
      ]
    default:
      return [
        .tensor(
          try Tensor.make(.float, shape, as: Float.self) { out in
            for (place, value) in entries { out[place] = try float(value) }
          })
      ]
    }
  }

  private func text(_ value: Tensor) throws -> String {
    if value.dataType == .string { return value.strings[0] }
    let number = try value.scalar(as: Double.self)
    var bytes = [CChar](repeating: 0, count: 512)
    let length = withVaList([number]) { vsnprintf(&bytes, bytes.count, "%f", $0) }
    guard length > 0, Int(length) < bytes.count else { throw CameoError.badInput("\(number) cannot be written") }
    return String(decoding: bytes.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private func whole(_ value: Tensor) throws -> Int64 {
    if value.dataType != .string { return try value.scalar(as: Int64.self) }
    let text = value.strings[0]
    errno = 0
    var length = 0
    let number = text.withCString { start -> Int in
      var end: UnsafeMutablePointer<CChar>?
      let number = strtol(start, &end, 10)
      length = end.map { UnsafePointer($0) - start } ?? 0
      return number
    }
    guard length > 0, errno == 0 else { throw CameoError.badInput("\"\(text)\" is no int64") }
    return Int64(number)
  }

  private func float(_ value: Tensor) throws -> Float {
    if value.dataType != .string { return try value.scalar(as: Float.self) }
    let text = value.strings[0]
    var length = 0
    let number = text.withCString { start -> Float in
      var end: UnsafeMutablePointer<CChar>?
      let number = strtof(start, &end)
      length = end.map { UnsafePointer($0) - start } ?? 0
      return number
    }
    guard length > 0 else { throw CameoError.badInput("\"\(text)\" is no float") }
    return number
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(CastMap(), to: $0) })
