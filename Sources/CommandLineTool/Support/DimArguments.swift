import ArgumentParser
import Tensors

/// `batch=1`: a value for a symbol that the model's inputs leave open.
struct DimBinding: ExpressibleByArgument, Sendable {
  let symbol: String
  let value: Int

  init?(argument: String) {
    guard let equals = argument.lastIndex(of: "="), equals != argument.startIndex,
      let value = Int(argument[argument.index(after: equals)...]), value >= 0
    else { return nil }
    symbol = String(argument[..<equals])
    self.value = value
  }
}

/// `--dim NAME=N`, repeatable.
struct DimArguments: ParsableArguments {
  @Option(
    name: .customLong("dim"),
    help: ArgumentHelp("The value of a dimension that the model leaves open. Repeatable.", valueName: "name=n"))
  var dims: [DimBinding] = []

  var bindings: [String: Dim] {
    Dictionary(dims.map { ($0.symbol, Dim($0.value)) }, uniquingKeysWith: { _, last in last })
  }

  /// Throws where a binding names no symbol of the model's inputs.
  func check(against symbols: some Collection<String>) throws {
    for dim in dims where !symbols.contains(dim.symbol) {
      let known = symbols.isEmpty ? "it leaves none open" : "it has \(symbols.sorted().joined(separator: ", "))"
      throw CameoError.badInput("--dim \(dim.symbol)=\(dim.value): the model has no such dimension; \(known)")
    }
  }
}
