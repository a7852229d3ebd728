import GraphIR
import Operators
import Tensors

/// Seeded inputs for a graph, made from its types and from what its inputs are used for; never from names.
struct InputGenerator {
  private let graph: Graph
  private let options: VerificationOptions

  /// What an integer or bool input is used for.
  private enum Role {
    /// Rows of a table with that many entries.
    case index(limit: Int)
    /// A scalar that is compared with these numbers.
    case choice([Int])
    /// Ones and zeros by position.
    case mask
    case plain
  }

  private let roles: [ValueID: Role]

  /// The mask forms that make sense here; one empty string where nothing is mask-like.
  let variants: [String]

  init(_ graph: Graph, options: VerificationOptions) {
    self.graph = graph
    self.options = options
    var roles: [ValueID: Role] = [:]
    for input in graph.inputs {
      let type = graph[input].type
      guard let element = type?.dataType, element.isInteger || element == .bool else { continue }
      roles[input] = InputGenerator.role(of: input, graph)
    }
    self.roles = roles
    let hasMask = roles.values.contains { if case .mask = $0 { true } else { false } }
    variants = hasMask ? ["full mask", "right-padded mask", "left-padded mask"] : [""]
  }

  private static func role(of input: ValueID, _ graph: Graph) -> Role {
    var work = [input]
    var seen: Set<ValueID> = []
    var choices: [Int] = []
    var limit: Int?
    while let value = work.popLast(), seen.count < 64 {
      guard seen.insert(value).inserted else { continue }
      for id in graph.consumers(value) {
        let node = graph[id]
        switch node.type {
        case "Gather", "GatherElements":
          if node.input(1) == value, let data = node.input(0) {
            let axis = (try? AttributeReader(node).int("axis", default: 0)) ?? 0
            let shape = graph[data].type?.concreteShape
            if let shape, axis >= 0, axis < shape.count {
              limit = min(limit ?? .max, shape[axis])
            } else {
              limit = min(limit ?? .max, 2)
            }
          }
        case "Equal":
          for other in node.inputs where other != value {
            if let number = graph.constant(other), number.count == 1, let found = try? number.ints() {
              choices += found
            }
          }
        case "Cast", "Reshape", "Unsqueeze", "Squeeze", "Identity", "Flatten", "Slice":
          if node.input(0) == value, let output = node.output(0) { work.append(output) }
        case "If":
          break
        default: break
        }
      }
    }
    let rank = graph[input].type?.shape?.count ?? 0
    if let limit { return .index(limit: limit) }
    if !choices.isEmpty && rank <= 1 { return .choice(choices) }
    if rank >= 2 { return .mask }
    return .plain
  }

  /// Choices for the open dimensions, likely ones first.
  func assignments() -> [[String: Int]] {
    var symbols: [String] = []
    var spatial: Set<String> = []
    for input in graph.inputs {
      let shape = graph[input].type?.shape ?? []
      for (axis, dim) in shape.enumerated() {
        for symbol in dim.symbols.sorted() where !symbols.contains(symbol) {
          symbols.append(symbol)
        }
        if shape.count == 4 && axis >= 2, let name = dim.symbolName { spatial.insert(name) }
      }
    }
    let open = symbols.filter { options.bindings[$0] == nil }
    if open.isEmpty { return [options.bindings] }
    func merge(_ chosen: [Int]) -> [String: Int] {
      options.bindings.merging(zip(open, chosen).map { ($0, $1) }, uniquingKeysWith: { a, _ in a })
    }
    let small = [2, 3, 5, 7, 11, 13, 17, 19]
    let wide = [64, 96, 32, 128, 160, 192]
    var result: [[String: Int]] = []
    let plain = open.indices.map { small[$0 % small.count] }
    if spatial.isEmpty { result.append(merge(plain)) }
    // One length is the sum of two others: not for images, which a few pixels would leave empty on the way.
    for target in open.indices where open.count >= 3 && spatial.isEmpty {
      for a in open.indices where a != target {
        for b in open.indices where b > a && b != target {
          var chosen = plain
          chosen[target] = chosen[a] + chosen[b]
          result.append(merge(chosen))
        }
      }
    }
    var wideIndex = 0
    let images = open.map { name -> Int in
      guard spatial.contains(name) else { return 1 }
      wideIndex += 1
      return wide[(wideIndex - 1) % wide.count]
    }
    result.append(merge(images))
    result.append(merge(open.map { spatial.contains($0) ? 224 : 1 }))
    result.append(merge(open.map { _ in 1 }))
    result.append(merge(open.map { _ in 16 }))
    result.append(merge(open.map { _ in 128 }))
    // One long dimension, all others 1: audio windows, sequences of a fixed context.
    for long in open.indices { result.append(merge(open.indices.map { $0 == long ? 512 : 1 })) }
    result.append(merge(open.enumerated().map { $0.offset == 0 ? 1 : 512 }))
    return result
  }

  /// Inputs by position. Floats are uniform in -1 ..< 1.
  func inputs(_ dims: [String: Int], variant: String, seed: UInt64) throws -> [Value?] {
    var random = SeededRandom(seed)
    return try graph.inputs.map { input in
      let info = graph[input]
      if let given = options.inputs[info.name] { return given }
      if info.constant != nil { return nil }
      guard case .tensor(let element?, let shape?) = info.type else {
        if case .tensor = info.type {
          throw CameoError.badInput("input \(info.name) has no shape to make seeded inputs for")
        }
        throw CameoError.unsupported("seeded inputs of type \(info.type?.description ?? "unknown") for \(info.name)")
      }
      let bindings = dims.mapValues { Dim($0) }
      let concrete = try shape.map { dim -> Int in
        guard let value = dim.substituting(bindings).value else {
          throw CameoError.badInput("dimension \(dim) of input \(info.name) is open")
        }
        return value
      }
      return .tensor(try tensor(element, concrete, roles[input] ?? .plain, variant, &random))
    }
  }

  private func tensor(_ type: DataType, _ shape: [Int], _ role: Role, _ variant: String, _ random: inout SeededRandom)
    throws -> Tensor
  {
    if type == .string {
      let count = try Tensor.elementCount(shape)
      return try Tensor(strings: (0..<count).map { "s\($0 % 7)" }, shape: shape)
    }
    if type.isInteger || type == .bool {
      let width = shape.last ?? 1
      var generator = random
      let result = try Tensor.make(type, shape, as: Int64.self) { out in
        let count = try Tensor.elementCount(shape)
        for index in 0..<count {
          switch role {
          case .index(let limit): out[index] = Int64(generator.next() % UInt64(max(1, limit)))
          case .choice(let numbers): out[index] = Int64(numbers[Int(generator.next() % UInt64(numbers.count))])
          case .mask:
            // Row r pads r + 1 columns less than the one before; at least one column stays.
            let row = index / max(1, width)
            let padded = min(width - 1, 1 + row % max(1, width))
            let column = index % max(1, width)
            switch variant {
            case "right-padded mask": out[index] = column < width - padded ? 1 : 0
            case "left-padded mask": out[index] = column >= padded ? 1 : 0
            default: out[index] = 1
            }
          case .plain: out[index] = Int64(generator.next() % 3)
          }
        }
      }
      random = generator
      return result
    }
    var generator = random
    let result = try Tensor.make(type, shape, as: Float.self) { out in
      let count = try Tensor.elementCount(shape)
      for index in 0..<count { out[index] = Float(Int64(generator.next() >> 40)) * 0x1p-23 - 1 }
    }
    random = generator
    return result
  }
}

/// SplitMix64: the same numbers on every machine.
struct SeededRandom {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
