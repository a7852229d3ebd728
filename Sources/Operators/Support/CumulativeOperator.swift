public import GraphIR
public import Tensors

/// CumSum and CumProd: running totals along the axis in input 1; `exclusive` leaves the element itself out, `reverse` runs
/// from the end. Floats are accumulated in double.
public struct CumulativeOperator: Operator {
  public let name: OperatorName
  private let multiplies: Bool

  public init(_ name: String, multiplies: Bool) {
    self.name = OperatorName(name)
    self.multiplies = multiplies
  }

  public func infer(_ context: inout InferenceContext) throws {
    if let axis = context.ints(1)?.first, let rank = context.rank(0) { _ = try Axes.normalize(axis, rank: rank) }
    context.set(0, context.dataType(0), context.shape(0), symbols: symbols(context))
  }

  private func symbols(_ context: InferenceContext) -> [Dim]? {
    guard !multiplies, context.rank(0) == 1, context.dataType(0)?.isInteger == true, let own = context.symbols(0),
      (try? context.attributes.bool("reverse")) == false, let exclusive = try? context.attributes.bool("exclusive")
    else { return nil }
    var total: Dim = 0
    return own.map { dim in
      let before = total
      total = total + dim
      return exclusive ? before : total
    }
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let axis = try Axes.normalize(Int(try context.scalar(1, as: Int64.self)), rank: data.rank)
    switch data.dataType {
    case let type where type.isFloatingPoint:
      return [
        .tensor(
          try run(context.attributes, ElementView<Double>(data), data, axis, multiplies ? 1 : 0, multiplies ? (*) : (+))
        )
      ]
    case let type where type.isInteger:
      return [
        .tensor(
          try run(
            context.attributes, ElementView<Int64>(data), data, axis, multiplies ? 1 : 0, multiplies ? (&*) : (&+)))
      ]
    default: throw CameoError.unsupported("\(name) of \(data.dataType)")
    }
  }

  private func run<T: ComputeElement>(
    _ attributes: AttributeReader, _ view: ElementView<T>, _ data: Tensor, _ axis: Int, _ initial: T,
    _ join: (T, T) -> T
  ) throws -> Tensor {
    let exclusive = try attributes.bool("exclusive")
    let reverse = try attributes.bool("reverse")
    let length = data.shape[axis]
    let inner = try Tensor.elementCount(data.shape[(axis + 1)...])
    return try Tensor.make(data.dataType, data.shape, as: T.self) { out in
      if data.count == 0 { return }
      for line in 0..<data.count / length {
        let start = line / inner * length * inner + line % inner
        var total = initial
        for step in 0..<length {
          let place = start + (reverse ? length - 1 - step : step) * inner
          let before = total
          total = join(total, view[place])
          out[place] = exclusive ? before : total
        }
      }
    }
  }
}
