import ArgumentParser
import Cameo
import GraphIR
import ONNXFormat
import Tensors

/// `--input`, `--inputs`, `--dim`, `--seed`: what a model is run on.
struct TensorArguments: ParsableArguments {
  @Option(
    name: .customLong("input"),
    help: ArgumentHelp(
      "NAME=FILE (.npy, .npz, .pb), NAME=random:1x3x224x224, zeros:SHAPE, ones:SHAPE, int:LOW:HIGH:SHAPE (HIGH not included) or value:X. Without SHAPE: the model's. Repeatable.",
      valueName: "name=tensor"))
  var input: [TensorSpec] = []

  @Option(
    help: ArgumentHelp(
      "All inputs by name: an .npz file, or a folder of NAME.npy and NAME.pb.", valueName: "dir|file.npz"))
  var inputs: String?

  @OptionGroup var dims: DimArguments

  @Option(help: ArgumentHelp("Seeds random inputs and random operators.", valueName: "n")) var seed: UInt64 = 0

  /// True where no input was named.
  var isEmpty: Bool { input.isEmpty && inputs == nil }

  /// Values by input name. An input that is not given: its default, else with `fills` a made one (floats normal, integers 1,
  /// bools true, strings empty), else an error. An open dimension takes its value from the given tensors, then from --dim.
  func values(for model: Model, fills: Bool) throws -> [String: Value] {
    let graph = model.graph
    let ports = graph.inputs.map { (name: graph[$0].name, type: graph[$0].type, hasDefault: graph[$0].constant != nil) }
    try dims.check(against: model.inputSymbols)
    var bindings = dims.bindings
    var values: [String: Value] = [:]
    func bind(_ tensor: Tensor, _ type: ValueType?) {
      guard let shape = type?.shape, shape.count == tensor.rank else { return }
      for (dim, size) in zip(shape, tensor.shape) {
        if let symbol = dim.symbolName, bindings[symbol] == nil { bindings[symbol] = Dim(size) }
      }
    }
    if let inputs {
      for (name, tensor) in try TensorArguments.read(inputs, names: ports.map(\.name)) {
        guard let port = ports.first(where: { $0.name == name }) else { continue }
        values[name] = .tensor(try tensor.adapted(to: port.type))
        bind(tensor, port.type)
      }
      if values.isEmpty, !ports.isEmpty {
        throw CameoError.badInput(
          "none of its arrays is an input; they are \(ports.map(\.name).joined(separator: ", "))"
        )
        .within("file \(inputs)")
      }
    }
    for spec in input {
      guard let port = ports.first(where: { $0.name == spec.name }) else {
        throw CameoError.badInput(
          "the model has no input \(spec.name); it has \(ports.map(\.name).joined(separator: ", "))")
      }
      guard case .file(let path) = spec.source else { continue }
      let tensor = try TensorFactory.read(path, name: spec.name)
      values[spec.name] = .tensor(try tensor.adapted(to: port.type))
      bind(tensor, port.type)
    }
    // Shapes written out bind symbols, too, before a shape that is left to the model is asked for.
    for spec in input {
      guard let shape = spec.shape, let declared = ports.first(where: { $0.name == spec.name })?.type?.shape,
        shape.count == declared.count
      else { continue }
      for (dim, size) in zip(declared, shape) where size.isKnown {
        if let symbol = dim.symbolName, bindings[symbol] == nil { bindings[symbol] = size }
      }
    }
    for (index, port) in ports.enumerated() where values[port.name] == nil {
      let spec: TensorSpec
      if let given = input.last(where: { $0.name == port.name }) {
        spec = given
      } else if port.hasDefault {
        continue
      } else if fills {
        let isFloat = port.type?.dataType.map { $0.isFloatingPoint || $0.isComplex } ?? true
        spec = TensorSpec(name: port.name, source: isFloat ? .random(nil) : .ones(nil))
      } else {
        throw CameoError.badInput(
          "input \(port.name) is missing: give --input \(port.name)=FILE or \(port.name)=random (it is \(port.type?.shown ?? "of unknown type"))"
        )
      }
      values[port.name] = .tensor(
        try within("input \(port.name)") {
          let (type, shape) = try TensorArguments.resolve(spec, port.type, bindings)
          return try TensorFactory.make(spec.source, type, shape, seed: seed, stream: index)
        })
    }
    return values
  }

  /// Element type and shape of a made tensor. Throws naming the dimension that is open.
  private static func resolve(_ spec: TensorSpec, _ declared: ValueType?, _ bindings: [String: Dim]) throws -> (
    DataType, [Int]
  ) {
    guard case .tensor(let type, let declaredShape) = declared, let type else {
      throw CameoError.badInput("it is \(declared?.shown ?? "of unknown type"): only tensors can be made")
    }
    guard let shape = spec.shape ?? declaredShape else {
      if case .value = spec.source { return (type, []) }
      throw CameoError.badInput("its rank is open: give its shape with --input \(spec.name)=random:SHAPE")
    }
    let dims = try shape.enumerated().map { axis, dim -> Int in
      let bound = dim.substituting(bindings)
      if let value = bound.value { return value }
      if bound.isUnnamed {
        throw CameoError.badInput(
          "its dimension \(axis) is open and has no name: give --input \(spec.name)=random:SHAPE")
      }
      let symbol = bound.symbols.sorted().first ?? bound.description
      throw CameoError.badInput("its dimension \(symbol) is open: give --dim \(symbol)=N")
    }
    return (type, dims)
  }

  /// The arrays of an archive, or of the files of a folder: NAME.npy, NAME.pb, and input_0.pb by position or by its own name.
  static func read(_ path: String, names: [String], stem: String = "input") throws -> [(name: String, tensor: Tensor)] {
    if path.hasSuffix(".npz") { return try NumPyFile.readArchive(path: path) }
    guard let files = Folder.files(path) else {
      throw CameoError.badInput("an .npz file or a folder is expected").within("file \(path)")
    }
    var result: [(name: String, tensor: Tensor)] = []
    for file in files {
      let full = path + "/" + file
      if file.hasSuffix(".npy") {
        result.append((String(file.dropLast(4)), try NumPyFile.readArray(path: full)))
      } else if file.hasSuffix(".npz") {
        result += try NumPyFile.readArchive(path: full)
      } else if file.hasSuffix(".pb") {
        let base = file.dropLast(3)
        if base.hasPrefix(stem + "_"), let index = Int(base.dropFirst(stem.count + 1)) {
          if names.indices.contains(index) {
            result.append((names[index], try TensorFile.readProto(path: full).tensor))
          }
        } else if names.contains(String(base)) {
          result.append((String(base), try TensorFile.readProto(path: full).tensor))
        }
      }
    }
    return result
  }
}

extension Dim {
  /// True for a dimension that its file leaves open without a name: import calls it `d0_u3`.
  var isUnnamed: Bool { symbolName.map(Dim.isUnnamed) ?? false }

  static func isUnnamed(_ symbol: String) -> Bool {
    symbol.hasPrefix("d0_u") && symbol.utf8.dropFirst(4).allSatisfy { (48...57).contains($0) } && symbol.utf8.count > 4
  }
}

extension ValueType {
  /// As people read it: a dimension without a name is `?`.
  var shown: String {
    guard let shape, shape.contains(where: \.isUnnamed) else { return description }
    return (dataType?.name ?? "undefined") + "["
      + shape.map { $0.isUnnamed ? "?" : $0.description }.joined(separator: ", ") + "]"
  }
}

extension Model {
  /// The symbols in the dimensions of the main graph's inputs.
  var inputSymbols: Set<String> {
    var symbols: Set<String> = []
    for input in graph.inputs { for dim in graph[input].type?.shape ?? [] { symbols.formUnion(dim.symbols) } }
    return symbols.filter { !Dim.isUnnamed($0) }
  }
}
