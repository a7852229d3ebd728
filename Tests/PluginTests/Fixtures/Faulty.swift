import GraphIR
import Operators
import PassKit
import Tensors

/// Passes that go wrong, each in its way; their level lets them run only where they are enabled by name.
struct FaultyPass: Pass {
  let name: String
  let summary = "goes wrong"
  let level = 4
  let body: @Sendable (PassContext) throws -> Void
  func run(_ context: PassContext) throws { try body(context) }

  static let all: [FaultyPass] = [
    FaultyPass(name: "Thrower") { context in
      try context.apply(try negated(context))
      throw CameoError.badInput("half way")
    },
    FaultyPass(name: "Looper") { context in while true { try context.apply(try negated(context)) } },
    FaultyPass(name: "Spinner") { context in while context.graph.nodeCount >= 0 {} },
    FaultyPass(name: "Breaker") { context in
      guard let first = context.graph.nodes.first, let output = context.graph.outputs.first else { return }
      var change = GraphChange(rule: "cycle", covers: [])
      change.setInput(0, of: first, to: .existing(output))
      try context.apply(change)
    },
    FaultyPass(name: "Inventor") { context in
      var change = GraphChange(rule: "inventor", covers: [])
      change.replace(context.graph.outputs[0], with: ValueID(1_000_000))
      try context.apply(change)
    },
    // Swallows the error: the graph is wrong all the same.
    FaultyPass(name: "Widener") { context in
      var change = GraphChange(rule: "widener", covers: [])
      let output = context.graph.outputs[0]
      change.replace(output, with: change.node("Shape", [.existing(output)]))
      _ = try? context.apply(change)
    },
    // Right in every formal respect, and computes something else.
    FaultyPass(name: "Liar") { context in
      guard !context.graph.nodes.contains(where: { context.graph[$0].is("Neg") }) else { return }
      try context.apply(try negated(context))
    },
  ]

  /// Puts Neg on the first input for all of its readers.
  private static func negated(_ context: PassContext) throws -> GraphChange {
    guard let node = context.graph.nodes.first, let value = context.graph[node].input(0) else {
      throw CameoError.badInput("the graph is empty")
    }
    var change = GraphChange(rule: "negated", covers: [])
    change.setInput(0, of: node, to: change.node("Neg", [.existing(value)]))
    return change
  }
}

@c(cameo_plugin_register)
public func register(_ host: UnsafeRawPointer?, _ call: UInt64) -> Int32 {
  Plugin.register(call) { plugin in
    for pass in FaultyPass.all { plugin.add(pass) }
    try plugin.addRules(
      "rule DropDoubleAbs level 2 { match { a = Abs!(x) y = Abs(a) } rewrite { y = Abs(x) } }", file: "faulty.rules")
  }
}
