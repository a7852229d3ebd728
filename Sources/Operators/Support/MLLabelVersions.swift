import GraphIR
import Tensors

/// LabelEncoder between its versions 1, 2 and 4.
enum LabelEncoderVersions {
  private static let suffixes: [(name: String, type: DataType)] = [
    ("strings", .string), ("int64s", .int64), ("floats", .float),
  ]

  // MARK: Upgrades

  /// Version 1: strings become their index in `classes_strings`, integers the string at that index. Which one it is follows
  /// from the type of the input, of the output, or from the one default that is given; where nothing tells, the node keeps its
  /// list, and evaluation asks the input.
  static func upgradeClasses(_ graph: inout Graph, _ node: NodeID) throws {
    guard case .strings(let classes)? = graph[node]["classes_strings"] ?? .strings([]) else {
      throw CameoError.unsupported("classes_strings is no plain list of strings")
    }
    guard let takesStrings = takesStrings(graph, node) else { return }
    graph.setAttribute("classes_strings", of: node, to: nil)
    let numbers = Attribute.ints((0..<Int64(classes.count)).map { $0 })
    graph.setAttribute(
      takesStrings ? "keys_strings" : "keys_int64s", of: node, to: takesStrings ? .strings(classes) : numbers)
    graph.setAttribute(
      takesStrings ? "values_int64s" : "values_strings", of: node, to: takesStrings ? numbers : .strings(classes))
  }

  private static func takesStrings(_ graph: Graph, _ node: NodeID) -> Bool? {
    if let input = graph[node].input(0), let type = graph[input].type?.dataType { return type == .string }
    if let output = graph[node].output(0), let type = graph[output].type?.dataType { return type != .string }
    let makesStrings = graph[node]["default_string"] != nil
    return makesStrings == (graph[node]["default_int64"] != nil) ? nil : !makesStrings
  }

  /// Version 2: the first of equal keys counts; in version 4 the last. So the later ones go.
  static func keepFirstKeys(_ graph: inout Graph, _ node: NodeID) {
    guard let kept = firstKeys(graph[node]) else { return }
    for prefix in ["keys", "values"] {
      for (suffix, _) in suffixes {
        let name = "\(prefix)_\(suffix)"
        guard let list = graph[node][name], let fewer = list.picking(kept) else { continue }
        graph.setAttribute(name, of: node, to: fewer)
      }
    }
  }

  /// The places of keys that no earlier one equals; nil where all are such.
  private static func firstKeys(_ node: Node) -> [Int]? {
    func first<Key: Hashable>(_ keys: [Key]) -> [Int]? {
      var seen: Set<Key> = []
      let kept = keys.indices.filter { seen.insert(keys[$0]).inserted }
      return kept.count == keys.count ? nil : kept
    }
    switch (node["keys_strings"], node["keys_int64s"], node["keys_floats"]) {
    case (.strings(let keys)?, _, _): return first(keys)
    case (_, .ints(let keys)?, _): return first(keys)
    // NaN equals nothing there.
    case (_, _, .floats(let keys)?): return first(keys.map { $0 == 0 ? 0 : $0.bitPattern })
    default: return nil
    }
  }

  // MARK: Lowerings

  /// Before version 4: no tensors, so no other types than strings, int64 and float. Of equal keys the first counts in version
  /// 2, the last in version 1.
  static func lowerTensors(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if graph[node]["classes_strings"] != nil { return }
    for prefix in ["keys", "values"] {
      guard case .tensor(let tensor) = graph[node]["\(prefix)_tensor"] else { continue }
      graph.setAttribute("\(prefix)_\(try suffix(of: tensor))", of: node, to: try list(tensor))
      graph.setAttribute("\(prefix)_tensor", of: node, to: nil)
    }
    if case .tensor(let tensor) = graph[node]["default_tensor"] {
      let name = "default_\(try suffix(of: tensor).dropLast())"
      graph.setAttribute(name, of: node, to: try single(tensor))
      graph.setAttribute("default_tensor", of: node, to: nil)
    }
    if case .floats(let keys) = graph[node]["keys_floats"], keys.contains(where: \.isNaN) {
      throw CameoError.unsupported("LabelEncoder with the key NaN before ai.onnx.ml 4, where it equals nothing")
    }
    if version >= 2 { keepLastKeys(&graph, node) }
  }

  private static func suffix(of tensor: Tensor) throws -> String {
    guard let suffix = suffixes.first(where: { $0.type == tensor.dataType }) else {
      throw CameoError.unsupported("LabelEncoder of \(tensor.dataType) before ai.onnx.ml 4")
    }
    return suffix.name
  }

  private static func list(_ tensor: Tensor) throws -> Attribute {
    switch tensor.dataType {
    case .string: .strings(tensor.strings)
    case .int64: .ints(try tensor.elements(as: Int64.self))
    default: .floats(try tensor.elements(as: Float.self))
    }
  }

  private static func single(_ tensor: Tensor) throws -> Attribute {
    if tensor.dataType != .string { return tensor.dataType == .int64 ? try .int(tensor) : try .float(tensor) }
    guard tensor.count == 1 else { throw CameoError.badInput("default_tensor is \(tensor), one string was expected") }
    return .string(tensor.strings[0])
  }

  private static func keepLastKeys(_ graph: inout Graph, _ node: NodeID) {
    guard let reversed = graph[node].attributes.first(where: { $0.name.hasPrefix("keys_") })?.value.reversed else {
      return
    }
    var seen: Set<String> = []
    let count = reversed.count
    let kept = reversed.enumerated().filter { seen.insert($0.element).inserted }.map { count - 1 - $0.offset }
      .reversed()
    if kept.count == count { return }
    for attribute in graph[node].attributes
    where attribute.name.hasPrefix("keys_") || attribute.name.hasPrefix("values_") {
      guard let fewer = attribute.value.picking(Array(kept)) else { continue }
      graph.setAttribute(attribute.name, of: node, to: fewer)
    }
  }

  /// Version 1: strings to 0, 1, .. in any order, or back.
  static func lowerToClasses(_ graph: inout Graph, _ node: NodeID) throws {
    if graph[node]["classes_strings"] != nil { return }
    var classes: [String]
    switch (
      graph[node]["keys_strings"], graph[node]["keys_int64s"], graph[node]["values_strings"],
      graph[node]["values_int64s"]
    )
    {
    case (.strings(let texts)?, nil, nil, .ints(let numbers)?), (nil, .ints(let numbers)?, .strings(let texts)?, nil):
      guard texts.count == numbers.count, Set(numbers) == Set(0..<Int64(numbers.count)) else {
        throw CameoError.unsupported("LabelEncoder with other numbers than 0, 1, .. before ai.onnx.ml 2")
      }
      // Equal keys: the greatest index counts there, the last key here.
      let isOrdered = numbers.elementsEqual(0..<Int64(numbers.count))
      guard graph[node]["keys_strings"] == nil || isOrdered || Set(texts).count == texts.count else {
        throw CameoError.unsupported("LabelEncoder with equal keys before ai.onnx.ml 2")
      }
      classes = texts
      for (text, number) in zip(texts, numbers) { classes[Int(number)] = text }
    default:
      throw CameoError.unsupported("LabelEncoder that is not between strings and int64 before ai.onnx.ml 2")
    }
    for name in ["keys_strings", "keys_int64s", "values_strings", "values_int64s"] {
      graph.setAttribute(name, of: node, to: nil)
    }
    graph.setAttribute("classes_strings", of: node, to: .strings(classes))
  }
}

extension Attribute {
  /// The list of the elements at these places, which are inside where the lists are of one length; nil for what is no list.
  fileprivate func picking(_ places: [Int]) -> Attribute? {
    func pick<T>(_ list: [T]) -> [T] { places.filter { $0 < list.count }.map { list[$0] } }
    switch self {
    case .strings(let list): return .strings(pick(list))
    case .ints(let list): return .ints(pick(list))
    case .floats(let list): return .floats(pick(list))
    default: return nil
    }
  }

  /// The elements of a list from the last on, as texts that are equal where the elements are.
  fileprivate var reversed: [String]? {
    switch self {
    case .strings(let list): list.reversed()
    case .ints(let list): list.reversed().map(String.init)
    case .floats(let list): list.reversed().map { String($0 == 0 ? 0 : $0.bitPattern) }
    default: nil
    }
  }
}
