public import GraphIR
public import Operators
import Tensors

/// Passes, rules and operators from a shared library.
///
/// A library exports `cameo_plugin_register`. One written in Swift (compiled by `Tools/build-plugin` against the host's modules):
///
///     import PassKit
///
///     @c(cameo_plugin_register)
///     public func register(_ host: UnsafeRawPointer?, _ call: UInt64) -> Int32 {
///       Plugin.register(call) { plugin in
///         plugin.add(MyPass(), place: .fusions)
///         plugin.add(MyOperator())
///       }
///     }
///
/// One written in C includes `cameo_plugin.h`. docs/plugins.md is the tutorial.
public struct Plugin: Sendable {
  /// As it was given to `load`.
  public let path: String
  public let passes: [PlacedPass]
  public let operators: [OperatorName]

  static let table = Mutex<[(file: String, plugin: Plugin)]>([])

  /// Those that this process has loaded, in order.
  public static var loaded: [Plugin] { table.withLock { $0.map(\.plugin) } }

  /// What `cameo_plugin_register` of a plugin in Swift does: `body` registers. Compiled into the plugin, so that it hands over
  /// the interface that it was built against. The status to return.
  @_alwaysEmitIntoClient
  public static func register(_ call: UInt64, _ body: (PluginRegistrar) throws -> Void) -> Int32 {
    begin(call, PluginInterface.text, body)
  }

  /// For `register` only.
  public static func begin(
    _ call: UInt64, _ interface: StaticString, _ body: (PluginRegistrar) throws -> Void
  ) -> Int32 {
    PluginCall.perform(call) { call in
      guard "\(interface)" == "\(PluginInterface.text)" else {
        throw CameoError.system("it was built against another Cameo: \(interface), this one is \(PluginInterface.text)")
      }
      try body(try call.registrar())
    }
  }
}

/// Where in the pipeline a plugin's pass runs. Within a place, plugins' passes follow the built-in ones, in the order of
/// registration. Raw values are those of cameo_plugin.h.
public enum PassPlace: Int, Sendable, CaseIterable {
  /// With the clean-up passes: to a fixed point, before and after the fusions.
  case cleanup
  /// Once the graph is clean, before the built-in fusions see it.
  case beforeFusions
  /// With the fusions.
  case fusions
  /// With the passes of level 3.
  case machine
  /// After everything.
  case last
}

/// A pass and where it runs.
public struct PlacedPass: Sendable {
  public let pass: any Pass
  public let place: PassPlace

  public init(_ pass: any Pass, place: PassPlace) {
    self.pass = pass
    self.place = place
  }
}

/// Takes what a plugin brings. All of it is registered, or none.
public final class PluginRegistrar {
  private(set) var passes: [PlacedPass] = []
  private(set) var operators: [OperatorRegistry.Addition] = []

  init() {}

  /// A pass that runs from its `level` on; one above level 3 runs only where it is enabled by name.
  public func add(_ pass: any Pass, place: PassPlace = .fusions) { passes.append(PlacedPass(pass, place: place)) }

  /// An operator of a name that nobody has registered; its signature, where it states one, goes into `SchemaRegistry`.
  public func add(_ op: any Operator) { operators.append(OperatorRegistry.Addition(op)) }

  /// An operator whose signature is made at run time.
  func add(_ op: any Operator, signature: String?) {
    operators.append(OperatorRegistry.Addition(op, signature: signature))
  }

  /// The passes of a text in the rule language. `file` names it in messages. Throws `.badInput` with line and column.
  public func addRules(_ text: String, file: String = "rules", place: PassPlace = .fusions) throws {
    for pass in try RuleFile.parse(text, file: file) { add(pass, place: place) }
  }
}
