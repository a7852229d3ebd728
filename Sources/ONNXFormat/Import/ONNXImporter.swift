public import GraphIR
import Operators
public import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a model is read.
public struct ImportOptions: Sendable {
  /// Brings every node to the newest version of its operator. Off only to look at a file as it is.
  public var upgrade = true
  /// Follows external data. Off: a model that has some is refused.
  public var readExternalData = true
  /// Data files, by the location that the model gives, that are to be read from another place.
  package var staged: [String: String] = [:]

  public init() {}
}

/// Reads ONNX files: IR 1 to 14, opsets 1 to 28.
///
/// Tensors of 1 KiB and more stay in the mapped file (and in its external data files) and are never copied; their memory may
/// be unaligned. The file must not be truncated while the model lives.
public enum ONNXImporter {
  public static let newestIRVersion = 14
  public static let newestOpset = 28

  /// Reads the file at `path`. Throws `.system` where it cannot be opened, `.badInput` with the byte offset or the node where
  /// it breaks the format, `.unsupported` for newer versions. O(bytes outside large tensors).
  public static func load(path: String, options: ImportOptions = ImportOptions()) throws -> Model {
    try within("file \(path)") {
      let file = try MappedFile(path: path)
      var folder = "."
      if let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) {
        folder = slash == path.startIndex ? "/" : String(path[..<slash])
      }
      let external = ExternalData(folder: options.readExternalData ? folder : nil, staged: options.staged)
      // The walk hops from one large tensor's header to the next: reading ahead would fetch weights for nothing (a cold 1 GiB
      // file loads in 5 ms instead of 380).
      advise(file, MADV_RANDOM)
      defer { advise(file, MADV_NORMAL) }
      var model = try load(MessageReader(.file(file), external: external), options)
      model.sourcePath = path
      model.sourceFile = file
      return model
    }
  }

  /// Reads a model from memory; external data is refused unless `folder` says where it lies.
  public static func load(
    bytes: [UInt8], folder: String? = nil, options: ImportOptions = ImportOptions()
  ) throws -> Model {
    let storage = try TensorStorage(byteCount: bytes.count, zeroed: false)
    bytes.withUnsafeBytes { if let base = $0.baseAddress { storage.base.copyMemory(from: base, byteCount: $0.count) } }
    return try load(storage: storage, folder: folder, options: options)
  }

  /// Reads a model from memory that its tensors keep alive and point into.
  public static func load(
    storage: TensorStorage, folder: String? = nil, options: ImportOptions = ImportOptions()
  ) throws -> Model {
    let external = ExternalData(folder: options.readExternalData ? folder : nil)
    return try load(MessageReader(.storage(storage), external: external), options)
  }

  private static func advise(_ file: MappedFile, _ advice: Int32) {
    if file.byteCount > 0 { madvise(UnsafeMutableRawPointer(mutating: file.base), file.byteCount, advice) }
  }

  // MARK: Assembly

  private static func load(_ reader: MessageReader, _ options: ImportOptions) throws -> Model {
    let message = try reader.model()
    guard let irVersion = message.irVersion, irVersion > 0 else {
      throw CameoError.badInput("this is no ONNX model: ir_version is missing")
    }
    guard irVersion <= Int64(newestIRVersion) else {
      throw CameoError.unsupported("IR version \(irVersion); the newest known is \(newestIRVersion)")
    }
    guard let main = message.graph else { throw CameoError.badInput("the model has no graph") }
    let opsets = try self.opsets(message.opsets, irVersion: Int(irVersion), of: "the model")

    var builder = GraphBuilder(name: main.name, irVersion: Int(irVersion), sourceNodes: [])
    try builder.build(main, in: .main)
    if builder.isUnsorted { try builder.graph.sortTopologically() }
    var model = Model(graph: builder.graph)
    model.irVersion = Int(irVersion)
    model.opsets = opsets
    model.producerName = message.producerName
    model.producerVersion = message.producerVersion
    model.domain = message.domain
    model.modelVersion = message.modelVersion
    model.documentation = message.documentation
    model.metadata = message.metadata
    model.unknownFields = message.unknown

    var sourceNodes = builder.sourceNodes
    // The graph in `builder` would keep a second reference alive and turn the upgrade's first edit into a copy.
    builder.graph = Graph()
    for function in message.functions {
      let place = "function \(OperatorName(function.name, domain: function.domain))"
      model.functions.append(
        try within(place) { try self.function(function, model, &sourceNodes) })
    }
    model.sourceNodes = sourceNodes
    try checkFunctions(model)
    try checkDomains(model.graph, opsets, model)
    for function in model.functions {
      try within("function \(function.operatorName)") { try checkDomains(function.body, function.opsets, model) }
    }
    if options.upgrade {
      let hasGradients = opsets[GradientExpansion.domain] != nil
      if hasGradients { try GradientExpansion.bind(&model.graph) }
      try UpgradeDriver(opsets: opsets, functions: model.functions).run(on: &model.graph)
      for index in model.functions.indices {
        let function = model.functions[index]
        model.functions[index].body = Graph()
        var body = function.body
        try within("function \(function.operatorName)") {
          let hasGradients = function.opsets[GradientExpansion.domain] != nil
          if hasGradients { try GradientExpansion.bind(&body) }
          try UpgradeDriver(opsets: function.opsets, functions: []).run(on: &body)
          if hasGradients { try GradientExpansion.expand(&body) }
        }
        model.functions[index].body = body
      }
      if hasGradients { try GradientExpansion.expand(&model.graph, functions: model.functions) }
    }
    return model
  }

  private static func opsets(
    _ list: [(domain: String, version: Int64)], irVersion: Int, of what: String
  ) throws -> [String: Int] {
    var result: [String: Int] = [:]
    for (domain, version) in list {
      let domain = SchemaRegistry.canonicalDomain(domain)
      guard version >= 0, version < 1 << 31 else { throw CameoError.badInput("opset \(version) of domain \(domain)") }
      if domain.isEmpty && version > newestOpset {
        throw CameoError.unsupported("opset \(version); the newest known is \(newestOpset)")
      }
      if domain.isEmpty && version < 1 { throw CameoError.badInput("opset \(version)") }
      if let other = result.updateValue(Int(version), forKey: domain), other != Int(version) {
        throw CameoError.badInput("\(what) imports domain \"\(domain)\" twice, as opset \(other) and \(version)")
      }
    }
    if result.isEmpty {
      guard irVersion < 3 else { throw CameoError.badInput("\(what) imports no opset") }
      result[""] = 1
    }
    return result
  }

  private static func function(
    _ message: FunctionMessage, _ model: Model, _ sourceNodes: inout [SourceNode]
  ) throws -> Function {
    var builder = GraphBuilder(name: message.name, irVersion: model.irVersion, sourceNodes: sourceNodes)
    try builder.build(message)
    if builder.isUnsorted { try builder.graph.sortTopologically() }
    sourceNodes = builder.sourceNodes
    // IR 8 files of some exporters leave a function's imports to the model's.
    var opsets = model.opsets
    if !message.opsets.isEmpty { opsets = try self.opsets(message.opsets, irVersion: model.irVersion, of: "it") }
    let defaults = try message.attributeDefaults.map { attribute in
      guard case .plain(let value) = attribute.content else {
        throw CameoError.unsupported("a graph as default of attribute \(attribute.name)")
      }
      return NamedAttribute(
        attribute.name, value, documentation: attribute.documentation, labels: attribute.labels)
    }
    var function = Function(
      OperatorName(message.name, domain: message.domain), overload: message.overload, body: builder.graph,
      attributeNames: message.attributeNames, attributeDefaults: defaults, opsets: opsets)
    function.documentation = message.documentation
    function.metadata = message.metadata
    function.unknownFields = message.unknown
    return function
  }

  /// Every node of a domain with published operators needs that domain's opset.
  private static func checkDomains(_ graph: Graph, _ opsets: [String: Int], _ model: Model) throws {
    for id in graph.allNodes {
      let name = graph[id].operatorName
      if opsets[name.domain] == nil, SchemaRegistry.latestOpset(of: name.domain) != nil,
        !SchemaRegistry.versions(domain: name.domain, name: name.name).isEmpty,
        model.function(name, overload: graph[id].overload) == nil
      {
        throw CameoError.badInput("no opset is imported for its domain").within(graph.describe(id))
      }
    }
  }

  /// Functions are unique and do not call themselves.
  private static func checkFunctions(_ model: Model) throws {
    struct Key: Hashable {
      var name: OperatorName
      var overload: String
    }
    var indices: [Key: Int] = [:]
    for (index, function) in model.functions.enumerated() {
      let key = Key(name: function.operatorName, overload: function.overload)
      if indices.updateValue(index, forKey: key) != nil {
        throw CameoError.badInput("function \(function.operatorName) is defined twice")
      }
    }
    if indices.isEmpty { return }
    let calls = model.functions.map { function in
      Array(
        Set(
          function.body.allNodes.compactMap { id in
            indices[Key(name: function.body[id].operatorName, overload: function.body[id].overload)]
          }))
    }
    // 0 unseen, 1 on the path, 2 done.
    var state = [UInt8](repeating: 0, count: calls.count)
    for root in calls.indices where state[root] == 0 {
      var stack: [(function: Int, next: Int)] = [(root, 0)]
      state[root] = 1
      while let top = stack.last {
        guard top.next < calls[top.function].count else {
          state[top.function] = 2
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].next += 1
        let callee = calls[top.function][top.next]
        if state[callee] == 1 {
          throw CameoError.badInput("function \(model.functions[callee].operatorName) calls itself")
        }
        if state[callee] == 0 {
          state[callee] = 1
          stack.append((callee, 0))
        }
      }
    }
  }
}
