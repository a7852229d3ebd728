internal import CRegistry
import GraphIR
import Tensors

/// How one operator passes gradients back: the nodes that compute the gradients of its inputs from those of its outputs (its
/// vector-Jacobian product), as a piece of graph.
///
/// A rule is written once for the newest version of the operator, and its nodes are ordinary ones: they are optimized, run on every
/// provider and can be differentiated again. Files of this folder register theirs as operators do, as records of kind 1:
///
///     @used @section("cameo_operators")
///     private let registration: RegistryRecord = (1, { DerivativeRules.submit(rules, to: $0) })
struct DerivativeRule: Sendable {
  let name: OperatorName
  /// The gradient of each input, by position; nil (or missing) where none flows there.
  let gradients: @Sendable (inout GradientBuilder, DerivativeCall) throws -> [ValueID?]

  init(
    _ name: String, domain: String = "",
    _ gradients: @escaping @Sendable (inout GradientBuilder, DerivativeCall) throws -> [ValueID?]
  ) {
    self.name = OperatorName(name, domain: domain)
    self.gradients = gradients
  }

  /// An element-wise operator of one input: `factor` is dy/dx from x and y.
  static func unary(
    _ name: String,
    _ factor: @escaping @Sendable (inout GradientBuilder, DerivativeCall, _ x: ValueID, _ y: ValueID) throws -> ValueID
  ) -> DerivativeRule {
    DerivativeRule(name) { b, call in
      [b.mul(try call.gradient, try factor(&b, call, call.input(0), call.result))]
    }
  }

  /// An operator whose outputs do not change with small changes of its inputs.
  static func zero(_ name: String) -> DerivativeRule { DerivativeRule(name) { _, _ in [] } }
}

/// The node that a rule is asked about.
struct DerivativeCall {
  let node: Node
  /// The gradient of each output; nil where none flows.
  let gradients: [ValueID?]
  /// The inputs whose gradients are asked for.
  let isNeeded: [Bool]

  var attributes: AttributeReader { AttributeReader(node) }

  func needs(_ input: Int) -> Bool { input < isNeeded.count && isNeeded[input] }

  func input(_ index: Int) throws -> ValueID {
    guard let value = node.input(index) else { throw CameoError.badInput("input \(index) is missing") }
    return value
  }

  /// Output 0 of the node.
  var result: ValueID {
    get throws {
      guard let value = node.output(0) else { throw CameoError.badInput("output 0 is missing") }
      return value
    }
  }

  /// The gradient of output 0. Throws where it is another output that the differentiated value depends on.
  var gradient: ValueID {
    get throws {
      guard let value = gradients.first ?? nil else {
        throw CameoError.unsupported("the derivative of \(node.operatorName) through another output than the first")
      }
      return value
    }
  }
}

/// Every derivative rule of this image.
enum DerivativeRules {
  private final class Collector {
    var rules: [DerivativeRule] = []
  }

  private static let table: [OperatorName: DerivativeRule] = {
    let collector = Collector()
    withExtendedLifetime(collector) { cameo_registry_walk(1, Unmanaged.passUnretained(collector).toOpaque()) }
    var table: [OperatorName: DerivativeRule] = [:]
    for rule in collector.rules {
      precondition(
        table.updateValue(rule, forKey: rule.name) == nil, "the derivative of \(rule.name) is registered twice")
    }
    return table
  }()

  /// Called by registrations during the walk.
  static func submit(_ rules: [DerivativeRule], to context: UnsafeMutableRawPointer) {
    Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue().rules += rules
  }

  static subscript(name: OperatorName) -> DerivativeRule? { table[name] }

  /// The operators that have one, sorted by name.
  static var names: [OperatorName] { table.keys.sorted { ($0.domain, $0.name) < ($1.domain, $1.name) } }
}
