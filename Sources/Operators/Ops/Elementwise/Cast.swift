import GraphIR
import Tensors

/// Cast: the elements as another type.
struct Cast: Operator {
  let name = OperatorName("Cast")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    guard let type = try context.attributes.dataType("to") else { throw CameoError.badInput("attribute to is missing") }
    context.set(0, type, context.shape(0), symbols: ElementCasts.symbols(context, to: type))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    guard let type = try context.attributes.dataType("to") else { throw CameoError.badInput("attribute to is missing") }
    return [.tensor(try ElementCasts.cast(try context.tensor(0), to: type, ElementCasts.rules(context.attributes)))]
  }

  /// Version 1 names the type.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 6, case .string(let text) = graph[node]["to"] else { return }
    guard let type = DataType(name: text.lowercased()) else { throw CameoError.badInput("\(text) is no element type") }
    graph.setAttribute("to", of: node, to: .int(Int64(type.rawValue)))
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard let type = try AttributeReader(graph[node]).dataType("to") else { return }
    try ElementCasts.require(type, from: name, version)
    guard version < 6 else { return }
    graph.setAttribute("to", of: node, to: .string(type.name.uppercased()))
  }
}

extension ElementCasts {
  /// Lowering: throws where that version of the operator cannot give `type`.
  static func require(_ type: DataType, from name: OperatorName, _ version: Int) throws {
    let key = SchemaRegistry.Key(domain: name.domain, name: name.name, sinceVersion: version)
    guard let formal = SchemaRegistry.schema(key)?.output(at: 0) else { return }
    if !formal.types.containsTensor(Int(type.rawValue)) {
      throw CameoError.unsupported("\(name) of version \(version) gives no \(type)")
    }
  }

  static func rules(_ attributes: AttributeReader) throws -> Rules {
    Rules(
      saturates: try attributes.int("saturate", default: 1) != 0,
      roundMode: try attributes.string("round_mode", default: "up"))
  }

  /// Integer contents that survive the change of type.
  static func symbols(_ context: InferenceContext, to type: DataType) -> [Dim]? {
    guard let from = context.dataType(0), from.isInteger || from == .bool else { return nil }
    guard let symbols = context.symbols(0) ?? context.facts(0)?.symbols else { return nil }
    if type == .bool {
      var result: [Dim] = []
      for symbol in symbols {
        guard let isZero = SymbolicContents.equal(symbol, 0) else { return nil }
        result.append(isZero ? 0 : 1)
      }
      return result
    }
    return type.isInteger ? SymbolicContents.fitting(symbols, type) : nil
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Cast(), to: $0) })
