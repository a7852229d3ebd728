/// SplitMix64.
struct Generator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Makes case number `index` of a seed: half of the cases change the structure, half the bytes outside weights.
struct Mutator {
  struct Source {
    let name: String
    let message: Message
  }

  let sources: [Source]
  private let operators: [[UInt8]]
  private let bodies: [Message.Kind: [Message]]

  init(_ files: [(name: String, bytes: [UInt8])]) {
    sources = files.compactMap { file in
      Message(.model, file.bytes[...]).map { Source(name: file.name, message: $0) }
    }
    var operators: Set<[UInt8]> = []
    var bodies: [Message.Kind: [Message]] = [:]
    for source in sources {
      var copy = source.message
      copy.visit { message in
        for field in message.fields where message.kind == .node && field.number == 4 {
          if case .text(let name) = field.content { operators.insert(name) }
        }
        if message.kind != .model, bodies[message.kind, default: []].count < 400 {
          bodies[message.kind, default: []].append(message)
        }
      }
    }
    self.operators = operators.sorted { $0.lexicographicallyPrecedes($1) }
    self.bodies = bodies
  }

  func make(seed: UInt64, index: Int) -> (name: String, bytes: [UInt8]) {
    var random = Generator(state: seed &* 0x1_0000_0001 &+ UInt64(index))
    _ = random.next()
    let source = sources[index % sources.count]
    var message = source.message
    let isStructural = (index / sources.count) % 2 == 0
    if isStructural {
      var values: Set<[UInt8]> = []
      message.visit { inner in
        for field in inner.fields where inner.kind == .node && field.number <= 2 {
          if case .text(let name) = field.content { values.insert(name) }
        }
      }
      let names = values.sorted { $0.lexicographicallyPrecedes($1) }
      for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&message, names, &random) }
    }
    var bytes: [UInt8] = []
    var weights: [Range<Int>] = []
    message.write(to: &bytes, weights: &weights)
    if !isStructural { mutate(&bytes, weights, &random) }
    return (source.name + (isStructural ? " structure" : " bytes"), bytes)
  }

  /// Mostly where a file stays readable, so that the later stages get their share.
  private func mutate(_ model: inout Message, _ names: [[UInt8]], _ random: inout Generator) {
    let isCareful = Int.random(in: 0..<4, using: &random) > 0
    func isTarget(_ message: Message) -> Bool {
      guard isCareful else { return true }
      switch message.kind {
      case .node, .attribute, .dimension, .typeTensor, .opset: return true
      case .tensor:
        return message.fields.allSatisfy {
          if case .data(let bytes) = $0.content { bytes.count <= Message.weightLimit } else { true }
        }
      default: return false
      }
    }
    var count = 0
    model.visit { if isTarget($0) { count += 1 } }
    guard count > 0 else { return }
    let target = Int.random(in: 0..<count, using: &random)
    var position = 0
    model.visit { message in
      guard isTarget(message) else { return }
      if position == target {
        if isCareful { adjust(&message, names, &random) } else { change(&message, &random) }
      }
      position += 1
    }
  }

  /// A change that leaves a well-formed file: operators, edges, numbers, contents of small tensors.
  private func adjust(_ message: inout Message, _ names: [[UInt8]], _ random: inout Generator) {
    func pick(_ number: UInt64) -> Int? {
      message.fields.indices.filter { message.fields[$0].number == number }.randomElement(using: &random)
    }
    switch message.kind {
    case .node:
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        if let at = pick(4) { message.fields[at].content = .text(random.element(of: operators)) }
      case 1:
        if let at = pick(1), let name = names.randomElement(using: &random) { message.fields[at].content = .text(name) }
      case 2:
        let name = names.randomElement(using: &random) ?? []
        message.fields.append(.init(number: 1, content: .text(Bool.random(using: &random) ? name : [])))
      default:
        if let at = pick(5) { message.fields.remove(at: at) } else if let at = pick(1) { message.fields.remove(at: at) }
      }
    case .dimension:
      message.fields = [.init(number: 1, content: .varint(number(1, &random)))]
    case .attribute:
      let values = message.fields.indices.filter { [2, 3, 4, 7, 8].contains(message.fields[$0].number) }
      guard let at = values.randomElement(using: &random) else { return change(&message, &random) }
      switch message.fields[at].content {
      case .varint(let old):
        if Int.random(in: 0..<4, using: &random) == 0 { message.fields.insert(message.fields[at], at: at) }
        message.fields[at].content = .varint(number(old, &random))
      case .fixed32:
        let floats: [Float] = [.nan, .infinity, 0, -1, 1e38, -0.5, 3e9]
        message.fields[at].content = .fixed32(random.element(of: floats).bitPattern)
      default: message.fields[at].content = .text(text([], message, message.fields[at].number, &random))
      }
    default:
      let values = message.fields.indices.filter { index in
        switch message.fields[index].content {
        case .varint: message.kind != .tensor || Int(message.fields[index].number) != 1
        case .data: true
        default: false
        }
      }
      guard let at = values.randomElement(using: &random) else { return }
      switch message.fields[at].content {
      case .varint: message.fields[at].content = .varint(UInt64.random(in: 1...16, using: &random))
      case .data(var bytes) where bytes.count >= 8 && bytes.count <= Message.weightLimit:
        let element = Int.random(in: 0..<bytes.count / 8, using: &random) * 8
        let value = number(bytes[element..<element + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }, &random)
        for shift in 0..<8 { bytes[element + shift] = UInt8(truncatingIfNeeded: value >> UInt64(8 * shift)) }
        message.fields[at].content = .data(bytes)
      default: break
      }
    }
  }

  private func number(_ old: UInt64, _ random: inout Generator) -> UInt64 {
    let signed = Int64(bitPattern: old)
    let choices: [Int64] = [
      -1, 0, 1, 2, 3, 7, 16, -2, -7, .min, .max, .min + 1, .max - 1, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 40, 1 << 62,
      -(1 << 31),
      -(1 << 62), signed &+ 1, signed &- 1, signed &* 2, 0 &- signed, 1 << 20, 65_536, Int64(bitPattern: random.next()),
    ]
    return UInt64(bitPattern: random.element(of: choices))
  }

  private func change(_ message: inout Message, _ random: inout Generator) {
    guard !message.fields.isEmpty else {
      message.fields.append(
        .init(number: UInt64.random(in: 1...30, using: &random), content: .varint(number(0, &random))))
      return
    }
    let at = Int.random(in: message.fields.indices, using: &random)
    switch Int.random(in: 0..<12, using: &random) {
    case 0: message.fields.remove(at: at)
    case 1: message.fields.insert(message.fields[at], at: Int.random(in: 0...message.fields.count, using: &random))
    case 2: message.fields.swapAt(at, Int.random(in: message.fields.indices, using: &random))
    case 3:
      message.fields.append(
        .init(number: UInt64.random(in: 1...30, using: &random), content: .varint(number(0, &random))))
    default:
      switch message.fields[at].content {
      case .varint(let old): message.fields[at].content = .varint(number(old, &random))
      case .fixed32:
        let values: [Float] = [.nan, .infinity, -.infinity, 0, -1, 1e38, .leastNonzeroMagnitude, -0.5, 3e9, -1e20]
        message.fields[at].content = .fixed32(random.element(of: values).bitPattern)
      case .fixed64(let old): message.fields[at].content = .fixed64(number(old, &random))
      case .text(let old): message.fields[at].content = .text(text(old, message, message.fields[at].number, &random))
      case .data(var bytes):
        // Shapes, axes, counts.
        guard bytes.count <= Message.weightLimit, bytes.count >= 1 else { return }
        if bytes.count % 8 == 0 {
          let element = Int.random(in: 0..<bytes.count / 8, using: &random) * 8
          let value = number(bytes[element..<element + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }, &random)
          for shift in 0..<8 { bytes[element + shift] = UInt8(truncatingIfNeeded: value >> UInt64(8 * shift)) }
        } else {
          bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        message.fields[at].content = .data(bytes)
      case .message(let inner):
        if let other = bodies[inner.kind]?.randomElement(using: &random) {
          message.fields[at].content = .message(other)
        }
      }
    }
  }

  private func text(_ old: [UInt8], _ owner: Message, _ number: UInt64, _ random: inout Generator) -> [UInt8] {
    // Another text of the same field here, or of any node: edges that go elsewhere, cycles, duplicate names.
    if owner.kind == .node, number == 4, Int.random(in: 0..<4, using: &random) > 0 {
      return random.element(of: operators)
    }
    if let other = bodies[owner.kind]?.randomElement(using: &random), Int.random(in: 0..<3, using: &random) == 0 {
      for field in other.fields where field.number == number {
        if case .text(let bytes) = field.content { return bytes }
      }
    }
    let siblings = owner.fields.compactMap { field -> [UInt8]? in
      if case .text(let bytes) = field.content { bytes } else { nil }
    }
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return []
    case 1: return Array("../../etc/passwd".utf8)
    case 2: return Array("-9223372036854775808".utf8)
    case 3: return [0, 255, 10, 34, 92]
    case 4: return [UInt8](repeating: 97, count: 5000)
    case 5: return old + old
    default: return siblings.randomElement(using: &random) ?? old
    }
  }

  private func mutate(_ bytes: inout [UInt8], _ weights: [Range<Int>], _ random: inout Generator) {
    func place() -> Int? {
      for _ in 0..<64 {
        let at = Int.random(in: bytes.indices, using: &random)
        if !weights.contains(where: { $0.contains(at) }) { return at }
      }
      return nil
    }
    switch Int.random(in: 0..<8, using: &random) {
    case 0:
      if let at = place() { bytes.removeSubrange(at...) }
    case 1:
      if let at = place() {
        bytes.insert(
          contentsOf: (0..<Int.random(in: 1...9, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
          }, at: at)
      }
    case 2:
      if let at = place() { bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...9, using: &random))) }
    default:
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        guard let at = place() else { continue }
        bytes[at] =
          Bool.random(using: &random)
          ? UInt8.random(in: 0...255, using: &random) : bytes[at] ^ (1 << UInt8.random(in: 0...7, using: &random))
      }
    }
  }
}

extension RandomNumberGenerator {
  /// One of the elements of an array that is not empty.
  fileprivate mutating func element<Element>(of array: [Element]) -> Element {
    array[Int.random(in: array.indices, using: &self)]
  }
}
