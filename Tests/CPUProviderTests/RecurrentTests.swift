import CPUProvider
import GraphIR
import InferenceRuntime
import Operators
import Tensors
import Testing

@Suite struct RecurrentTests {
  private static let gates = ["LSTM": 4, "GRU": 3, "RNN": 1]

  /// A node with every operand that the flags ask for.
  private static func make(
    _ name: String, length: Int = 5, batch: Int = 2, size: Int = 7, hidden: Int = 6, direction: String = "forward",
    layout: Int = 0, bias: Bool = true, lengths: [Int]? = nil, starts: Bool = true, peepholes: Bool = false,
    isFixed: Bool = true, spread: Float = 1, _ more: [String: Attribute] = [:]
  ) -> KernelCase {
    let columns = (gates[name] ?? 1) * hidden
    let directions = direction == "bidirectional" ? 2 : 1
    func weight(_ shape: [Int]) -> KernelCase.Source {
      isFixed ? .fixed(shape, -spread, spread) : .floats(shape, -spread, spread)
    }
    let state = layout == 0 ? [directions, batch, hidden] : [batch, directions, hidden]
    var inputs: [KernelCase.Source] = [
      .floats(layout == 0 ? [length, batch, size] : [batch, length, size], -2, 2),
      weight([directions, columns, size]), weight([directions, columns, hidden]),
      bias ? weight([directions, 2 * columns]) : .absent,
      lengths.map { .values([batch], .int32, $0) } ?? .absent, starts ? .floats(state, -1, 1) : .absent,
    ]
    if name == "LSTM" {
      inputs.append(starts ? .floats(state, -1, 1) : .absent)
      inputs.append(peepholes ? weight([directions, 3 * hidden]) : .absent)
    }
    var attributes = more
    attributes["hidden_size"] = .int(Int64(hidden))
    attributes["direction"] = .string(direction)
    if layout == 1 { attributes["layout"] = .int(1) }
    return KernelCase(name, inputs, attributes, outputs: name == "LSTM" ? 3 : 2)
  }

  static let cases: [KernelCase] = {
    var list: [KernelCase] = []
    for name in ["LSTM", "GRU", "RNN"] {
      for direction in ["forward", "reverse", "bidirectional"] {
        for layout in [0, 1] {
          list.append(make(name, direction: direction, layout: layout))
          list.append(make(name, direction: direction, layout: layout, lengths: [3, 5]))
          list.append(
            make(name, length: 4, batch: 3, direction: direction, layout: layout, lengths: [0, 4, 1], isFixed: false))
          // Enough work for lanes of a batch on several threads.
          list.append(make(name, length: 9, batch: 11, size: 20, hidden: 37, direction: direction, layout: layout))
          list.append(
            make(
              name, length: name == "RNN" ? 200 : 50, batch: 11, size: 20, hidden: 37, direction: direction,
              layout: layout, spread: 0.2))
          list.append(make(name, length: 3, batch: 3, size: 20, hidden: 37, direction: direction, layout: layout))
        }
        list.append(make(name, direction: direction, bias: false, starts: false))
        list.append(make(name, length: 3, batch: 1, hidden: 64, direction: direction, ["clip": .float(0.7)]))
        // More time than one stretch of input products; weights so small that rounding does not grow with time.
        list.append(
          make(
            name, length: name == "RNN" ? 2900 : 1030, batch: 1, size: 2, hidden: 70, direction: direction, bias: false,
            spread: 0.15))
      }
      list.append(make(name, length: 1, batch: 5, layout: 1))
    }
    let named: [(String, [String], [Double], [Double])] = [
      ("LSTM", ["HardSigmoid", "Affine", "ScaledTanh"], [0.3, 0.7, 1.2], [0.4, 0.1, 0.8]),
      ("LSTM", ["Softsign", "LeakyRelu", "Elu"], [0.2, 0.5], []),
      ("LSTM", ["sigmoid", "Relu", "Softplus"], [], []),
      ("GRU", ["HardSigmoid", "ThresholdedRelu"], [0.25, 0.1], [0.45]),
      ("GRU", ["Sigmoid", "Softsign"], [], []),
      ("RNN", ["ScaledTanh"], [0.9], [1.1]),
      ("RNN", ["Relu"], [], []),
    ]
    for (name, functions, alphas, betas) in named {
      list.append(
        make(
          name,
          [
            "activations": .strings(functions), "activation_alpha": .floats(alphas.map { Float($0) }),
            "activation_beta": .floats(betas.map { Float($0) }),
          ]))
    }
    list.append(
      make(
        "LSTM", direction: "bidirectional",
        ["activations": .strings(["Sigmoid", "Tanh", "Relu", "HardSigmoid", "Tanh", "Tanh"])]))
    list.append(make("LSTM", hidden: 37, direction: "bidirectional", peepholes: true))
    list.append(make("LSTM", peepholes: true, ["clip": .float(1), "input_forget": .int(1)]))
    list.append(make("LSTM", layout: 1, lengths: [5, 2], peepholes: true))
    for direction in ["forward", "bidirectional"] {
      list.append(make("GRU", direction: direction, ["linear_before_reset": .int(1), "clip": .float(0.8)]))
      list.append(make("GRU", hidden: 40, direction: direction, ["linear_before_reset": .int(1)]))
    }
    return list
  }()

  @Test(arguments: cases) func agreesWithThePortableEvaluation(_ test: KernelCase) throws {
    let one = try test.run(1)
    let three = try test.run(3)
    for (name, tensor) in one { #expect(three[name]?.isIdentical(to: tensor) == true, "\(name): bits by threads") }
  }

  /// Input products cut into tiles for threads, in several stretches of time.
  @Test(arguments: ["LSTM", "GRU", "RNN"], [0, 1]) func tilesOfInputProductsGiveTheSameBits(
    _ name: String, _ layout: Int
  )
    throws
  {
    let test = Self.make(
      name, length: 600, batch: 2, size: name == "RNN" ? 400 : 200, hidden: 96, layout: layout, spread: 0.05)
    let one = try test.run(1)
    let three = try test.run(3)
    for (name, tensor) in one { #expect(three[name]?.isIdentical(to: tensor) == true) }
  }

  /// Steps whose units are shared by threads: weights of many mebibytes.
  @Test(arguments: ["LSTM", "GRU", "RNN"]) func partsOfAStepGiveTheSameBits(_ name: String) throws {
    let test = Self.make(name, length: 2, batch: 1, size: 3, hidden: name == "RNN" ? 1100 : 530, bias: true)
    let one = try test.run(1)
    let two = try test.run(2)
    let four = try test.run(4)
    for (name, tensor) in one {
      #expect(two[name]?.isIdentical(to: tensor) == true)
      #expect(four[name]?.isIdentical(to: tensor) == true)
    }
  }

  @Test func aLengthPastTheSequenceIsTold() throws {
    let graph = try ONNXText.parseGraph(
      """
      g (float[3, 1, 2] x, float[1, 8, 2] w, float[1, 8, 2] r, int32[1] n) => (float[3, 1, 1, 2] y) {
        y = LSTM <hidden_size = 2> (x, w, r, , n)
      }
      """)
    let session = try Session(Model(graph: graph), providers: [CPUProvider()])
    func ones(_ shape: [Int]) throws -> Tensor {
      try .of([Float](repeating: 1, count: shape.reduce(1, *)), .float, shape: shape)
    }
    let given = ["x": try ones([3, 1, 2]), "w": try ones([1, 8, 2]), "r": try ones([1, 8, 2])]
    for length in [Int64(-1), 4] {
      var all = given
      all["n"] = try .of([length], .int32, shape: [1])
      #expect(throws: CameoError.self) { try session.run(all) }
    }
    var all = given
    all["n"] = try .of([Int64(2)], .int32, shape: [1])
    #expect(try session.run(all)["y"]?.elements(as: Float.self).suffix(2) == [0, 0])
  }

  /// A first result that nobody reads takes no memory; the states are the same.
  @Test func onlyTheLastStateMayBeAskedFor() throws {
    func session(_ outputs: String) throws -> Session {
      let graph = try ONNXText.parseGraph(
        """
        g (float[4, 2, 3] x, float[1, 20, 3] w, float[1, 20, 5] r) => (\(outputs)) {
          y, h, c = LSTM <hidden_size = 5> (x, w, r)
        }
        """)
      return try Session(Model(graph: graph), providers: [CPUProvider()])
    }
    var given: [String: Tensor] = [:]
    for (name, shape) in [("x", [4, 2, 3]), ("w", [1, 20, 3]), ("r", [1, 20, 5])] {
      given[name] = try .of((0..<shape.reduce(1, *)).map { Float($0 % 7) / 7 - 0.4 }, .float, shape: shape)
    }
    let all = try session("float[4, 1, 2, 5] y, float[1, 2, 5] h, float[1, 2, 5] c").run(given)
    let some = try session("float[1, 2, 5] c").run(given)
    #expect(some["c"]?.isIdentical(to: try #require(all["c"])) == true)
  }
}
