internal import CPlugin
import GraphIR
import Operators
import Tensors

/// The table that every plugin gets: made once, never changed, never freed.
enum HostTable {
  // Written before anybody sees it.
  nonisolated(unsafe) static let pointer: UnsafePointer<cameo_host> = {
    let table = UnsafeMutablePointer<cameo_host>.allocate(capacity: 1)
    table.initialize(to: cameo_host())
    table.pointee.size = MemoryLayout<cameo_host>.size
    table.pointee.version = UInt32(CAMEO_PLUGIN_VERSION)
    setRegistration(&table.pointee)
    setGraph(&table.pointee)
    setAttributes(&table.pointee)
    setValues(&table.pointee)
    setDims(&table.pointee)
    setChanges(&table.pointee)
    setChangedAttributes(&table.pointee)
    setOperators(&table.pointee)
    return UnsafePointer(table)
  }()

  private static func setRegistration(_ table: inout cameo_host) {
    table.fail = { call, reason in
      PluginCall.perform(call) { call in
        throw PluginFault(status: CAMEO_FAILED, reason: try call.string(reason))
      }
    }
    table.last_error = { call, reason in
      PluginCall.perform(call) { call in try call.store(call.text(call.reason ?? ""), reason) }
    }
    table.register_pass = { call, pass in
      PluginCall.perform(call) { call in
        let registrar = try call.registrar()
        let (pass, place) = try CPass.read(pass, call)
        registrar.add(pass, place: place)
      }
    }
    table.register_operator = { call, op in
      PluginCall.perform(call) { call in
        let registrar = try call.registrar()
        let (op, signature) = try COperator.read(op, call)
        registrar.add(op, signature: signature)
      }
    }
    table.register_rules = { call, rules, file in
      PluginCall.perform(call) { call in
        try call.registrar().addRules(try call.string(rules), file: try call.string(file))
      }
    }
  }
}

/// A pass of a plugin in C.
///
/// `@unchecked Sendable`: `data` is the plugin's own, which is told that callbacks may run on several threads.
struct CPass: Pass, @unchecked Sendable {
  let name: String
  let summary: String
  let documentation: String
  let level: Int
  private let data: UnsafeMutableRawPointer?
  private let function: @convention(c) (UnsafePointer<cameo_host>?, UInt64, UnsafeMutableRawPointer?) -> Int32

  /// Checks a description that a plugin hands over.
  static func read(_ pointer: UnsafePointer<cameo_pass>?, _ call: PluginCall) throws -> (CPass, PassPlace) {
    // Fields of later versions follow those that are read here.
    guard let pointer, pointer.pointee.size >= MemoryLayout<cameo_pass>.size, pointer.pointee.size <= 1 << 16 else {
      throw PluginFault.wrong("a pass's description is null or does not start with its size")
    }
    let given = pointer.pointee
    let name = try call.string(given.name)
    guard !name.isEmpty, let run = given.run else { throw PluginFault.wrong("pass \(name) has no name or no function") }
    guard let place = PassPlace(rawValue: Int(given.place)) else {
      throw PluginFault.wrong("pass \(name): there is no place \(given.place)")
    }
    let summary = try call.string(given.summary)
    let documentation = try call.string(given.documentation)
    return (
      CPass(
        name: name, summary: summary, documentation: documentation.isEmpty ? summary : documentation,
        level: Int(given.level), data: given.data, function: run), place
    )
  }

  func run(_ context: PassContext) throws {
    try PluginCall.make(.pass(context)) { call in
      try call.finish(function(HostTable.pointer, call.id, data))
    }
  }
}

/// An operator of a plugin in C.
///
/// `@unchecked Sendable`: as for `CPass`.
struct COperator: Operator, @unchecked Sendable {
  let name: OperatorName
  let traits: OperatorTraits
  private let data: UnsafeMutableRawPointer?
  private typealias Function = @convention(c) (UnsafePointer<cameo_host>?, UInt64, UnsafeMutableRawPointer?) -> Int32
  private let inferFunction: Function
  private let evaluateFunction: Function

  /// Checks a description that a plugin hands over; the signature is nil where it is empty.
  static func read(_ pointer: UnsafePointer<cameo_operator>?, _ call: PluginCall) throws -> (COperator, String?) {
    guard let pointer, pointer.pointee.size >= MemoryLayout<cameo_operator>.size, pointer.pointee.size <= 1 << 16 else {
      throw PluginFault.wrong("an operator's description is null or does not start with its size")
    }
    let given = pointer.pointee
    let name = OperatorName(try call.string(given.name), domain: try call.string(given.domain))
    guard !name.name.isEmpty, let infer = given.infer, let evaluate = given.evaluate else {
      throw PluginFault.wrong("operator \(name) has no name or lacks a function")
    }
    let traits =
      given.traits
      & (CAMEO_TRAIT_RANDOM | CAMEO_TRAIT_COMMUTATIVE | CAMEO_TRAIT_ELEMENTWISE | CAMEO_TRAIT_DATA_MOVEMENT)
    guard traits == given.traits else { throw PluginFault.wrong("operator \(name): unknown traits \(given.traits)") }
    let signature = try call.string(given.signature)
    return (
      COperator(
        name: name, traits: OperatorTraits(rawValue: Int(traits)), data: given.data, inferFunction: infer,
        evaluateFunction: evaluate), signature.isEmpty ? nil : signature
    )
  }

  func infer(_ context: inout InferenceContext) throws {
    let start = context
    context = try PluginCall.make(.inference(start)) { call in
      try call.finish(inferFunction(HostTable.pointer, call.id, data))
      guard case .inference(let result) = call.kind else { return start }
      return result
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let expected = try context.inferredOutputs(by: self)
    return try PluginCall.make(.evaluation(context, expected: expected)) { call in
      try call.finish(evaluateFunction(HostTable.pointer, call.id, data))
      return context.node.outputs.indices.map { call.outputs[$0] }
    }
  }
}
