public import GraphIR
import Operators
import Tensors

/// Writes models as ONNX files.
public enum ONNXExporter {
  /// Without being asked for more, the export raises the opset up to this only.
  public static let defaultOpsetLimit = 24

  /// What was written.
  public struct Summary: Sendable {
    public let opset: Int
    public let irVersion: Int
    public let byteCount: Int
    /// Bytes of the data file beside it; nil where there is none.
    public let externalByteCount: Int?
  }

  /// Writes `model` to `path`: beside it first, then renamed, so that an error leaves no partial file and the model's own
  /// file may be the destination. Tensors go straight from their memory to the file.
  ///
  /// Throws `.unsupported` naming node, operator and opset where the model cannot be said in the opset, `.system` where the
  /// file cannot be written. O(nodes + bytes).
  @discardableResult
  public static func save(_ model: Model, to path: String, options: ExportOptions = ExportOptions()) throws -> Summary {
    let staged = try stage(model, to: path, options: options)
    try staged.commit()
    return staged.summary
  }

  /// Writes `model` beside its place; `commit` puts it there.
  package static func stage(_ model: Model, to path: String, options: ExportOptions) throws -> StagedModel {
    try within("file \(path)") {
      let model = try FusedFunctions.outlined(model)
      let lowered = try lower(model, options)
      let name = path.split(separator: "/").last.map(String.init) ?? path
      var isBeside = options.externalData == .beside
      if options.externalData == .automatic { isBeside = inlineByteCount(lowered) > 1900 << 20 }
      var message = try encode(
        model, lowered, options, external: isBeside ? ExternalPlan(location: name + ".data") : nil)
      if message.external == nil && message.writer.byteCount > Int(Int32.max) {
        throw CameoError.limit(
          "the model takes \(message.writer.byteCount) bytes; a file holds 2 GiB: use external data")
      }
      var data: FileOutput?
      if let plan = message.external, !plan.entries.isEmpty {
        let output = try FileOutput(path: path + ".data")
        for entry in plan.entries {
          try output.pad(to: entry.offset)
          try output.write(entry.tensor)
        }
        data = output
      }
      let output = try FileOutput(path: path)
      try output.write(message.writer)
      message.external = nil
      let summary = Summary(
        opset: lowered.opsets[""] ?? 0, irVersion: lowered.irVersion, byteCount: output.position,
        externalByteCount: data?.position)
      return StagedModel(model: output, data: data, location: name + ".data", path: path, summary: summary)
    }
  }

  /// The model as bytes, everything inline. For small models.
  public static func serialize(_ model: Model, options: ExportOptions = ExportOptions()) throws -> [UInt8] {
    let model = try FusedFunctions.outlined(model)
    let message = try encode(model, try lower(model, options), options, external: nil)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(message.writer.byteCount)
    for piece in message.writer.all {
      switch piece {
      case .bytes(let part): bytes += part
      case .tensor(let tensor): tensor.withUnsafeBytes { bytes.append(contentsOf: $0) }
      }
    }
    return bytes
  }

  /// The model's graphs as they would be written, in the output opset: for text forms and inspection.
  public static func lowered(_ model: Model, options: ExportOptions = ExportOptions()) throws -> Model {
    let model = try FusedFunctions.outlined(model)
    let lowered = try lower(model, options)
    var result = model
    result.graph = lowered.graph
    result.opsets = lowered.opsets
    result.irVersion = lowered.irVersion
    for index in result.functions.indices {
      result.functions[index].body = lowered.bodies[index].graph
      result.functions[index].opsets = lowered.bodies[index].opsets
    }
    return result
  }

  // MARK: Steps

  struct Lowered {
    var graph: Graph
    var opsets: [String: Int]
    var bodies: [(graph: Graph, opsets: [String: Int])]
    var irVersion: Int
  }

  /// The lowest opset at and above the source's that can say the model, unless one is asked for.
  static func lower(_ model: Model, _ options: ExportOptions) throws -> Lowered {
    let source = model.opsets[""]
    if let opset = options.opset {
      guard opset >= 1, opset <= ONNXImporter.newestOpset else {
        throw CameoError.unsupported("opset \(opset); 1 to \(ONNXImporter.newestOpset) are known")
      }
      return try lower(model, options, from: opset, through: opset)
    }
    return try lower(model, options, from: source ?? defaultOpsetLimit, through: max(source ?? 0, options.opsetLimit))
  }

  private static func lower(
    _ model: Model, _ options: ExportOptions, from start: Int, through limit: Int
  ) throws -> Lowered {
    var model = model
    var opset = start
    var types: TypeCompletion?
    while true {
      do {
        var lowered = try lower(model, options, to: opset, limit: limit)
        types?.withdraw(from: &lowered.graph)
        return lowered
      } catch let error as CameoError where error.kind == .unsupported {
        // Older versions say more in the node, and that takes types which the file may have left out.
        if types == nil {
          types = TypeCompletion(completing: &model.graph, functions: model.functions)
          if types?.isEmpty == false { continue }
        }
        if opset >= limit { throw error }
        opset += 1
      }
    }
  }

  private static func lower(
    _ model: Model, _ options: ExportOptions, to opset: Int, limit: Int
  ) throws -> Lowered {
    let isSource = opset == model.opsets[""]
    func run(_ graph: Graph, _ source: [String: Int]) throws -> (Graph, [String: Int]) {
      var target = source
      target[""] = isSource ? source[""] ?? opset : opset
      var driver = LoweringDriver(
        model: model, source: source, target: target, discardSourceForms: options.discardSourceForms,
        limit: options.opset == nil ? limit : nil)
      let result = try driver.lower(graph)
      var opsets = driver.target
      // A model that imports nothing of the standard domain gets it only where a node needs it.
      if source[""] == nil && opsets.count > 1 && !result.allNodes.contains(where: { result[$0].domain.isEmpty }) {
        opsets[""] = nil
      }
      return (result, opsets)
    }
    let (graph, opsets) = try run(model.graph, model.opsets)
    var bodies: [(graph: Graph, opsets: [String: Int])] = []
    for function in model.functions {
      bodies.append(
        try within("function \(function.operatorName)") {
          let (body, opsets) = try run(function.body, function.opsets)
          return (body, opsets)
        })
    }
    var irVersion = IRVersions.needed(by: graph)
    for (body, function) in zip(bodies, model.functions) {
      irVersion = max(irVersion, IRVersions.needed(by: function), IRVersions.needed(by: body.graph))
    }
    irVersion = max(irVersion, isSource ? max(3, model.irVersion) : IRVersions.of(opset: opset))
    return Lowered(graph: graph, opsets: opsets, bodies: bodies, irVersion: irVersion)
  }

  private static func inlineByteCount(_ lowered: Lowered) -> Int {
    var total = 0
    func add(_ graph: Graph) {
      for id in graph.allValues {
        if let tensor = graph[id].constant?.tensor {
          total = total.addingReportingOverflow(tensor.byteCount).partialValue
        }
      }
    }
    add(lowered.graph)
    for body in lowered.bodies { add(body.graph) }
    return total
  }

  private static func encode(
    _ model: Model, _ lowered: Lowered, _ options: ExportOptions, external: ExternalPlan?
  ) throws -> (writer: WireWriter, external: ExternalPlan?) {
    var writer = MessageWriter(
      model: model, opset: lowered.opsets[""] ?? 1, irVersion: lowered.irVersion,
      writeProvenance: options.writeProvenance, external: external)
    let graph = try writer.graph(lowered.graph)
    var functions: [WireWriter] = []
    for (function, body) in zip(model.functions, lowered.bodies) {
      functions.append(
        try within("function \(function.operatorName)") {
          try writer.function(function, body: body.graph, opsets: body.opsets)
        })
    }
    let message = writer.assemble(graph: graph, functions: functions, opsets: lowered.opsets)
    return (message, writer.external)
  }
}
