import GraphIR
import Tensors

/// GridSample: samples the input at normalised places; the last axis of the grid holds coordinates, fastest axis first.
struct GridSample: Operator {
  let name = OperatorName("GridSample")

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    let grid = context.shape(1)
    guard let rank = x?.count ?? grid?.count else { return context.set(0, context.dataType(0), nil) }
    guard rank >= 3, x == nil || grid == nil || x?.count == grid?.count else {
      throw CameoError.badInput(
        "X has rank \(rank) and grid \(grid?.count ?? rank), one rank of 3 or more was expected")
    }
    var shape = [x?[0] ?? grid?[0] ?? context.unknownDim(), x?[1] ?? context.unknownDim()]
    shape += grid.map { Array($0[1..<rank - 1]) } ?? context.unknownShape(rank: rank - 2)
    context.set(0, context.dataType(0), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let grid = try context.tensor(1)
    guard x.rank >= 3, grid.rank == x.rank, grid.shape[0] == x.shape[0], grid.shape[x.rank - 1] == x.rank - 2 else {
      throw CameoError.badInput("grid \(grid) does not fit X \(x): [N, outputs.., spatial axes] was expected")
    }
    let sizes = Array(x.shape[2...])
    let mode: NNSampler.Mode =
      switch try context.attributes.string("mode", default: "linear") {
      case "nearest": .nearest
      case "linear", "bilinear": .linear
      case "cubic", "bicubic": .cubic
      case let other: throw CameoError.badInput("attribute mode is \(other); linear, nearest or cubic was expected")
      }
    let padding: NNSampler.Padding =
      switch try context.attributes.string("padding_mode", default: "zeros") {
      case "zeros": .zeros
      case "border": .border
      case "reflection": .reflection
      case let other:
        throw CameoError.badInput("attribute padding_mode is \(other); zeros, border or reflection was expected")
      }
    let aligns = try context.attributes.bool("align_corners")
    let sampler = NNSampler(mode: mode, padding: padding, alignsCorners: aligns, sizes: sizes)
    let outputs = Array(grid.shape[1..<x.rank - 1])
    let positions = outputs.reduce(1, *)
    let (channels, plane, rank) = (x.shape[1], sizes.reduce(1, *), sizes.count)
    guard plane > 0 || positions == 0 else { throw CameoError.badInput("an empty image cannot be sampled") }
    if x.dataType.isComplex { return try LinearParts.complex(context, evaluate) }
    if x.dataType == .string {
      guard mode == .nearest else { throw CameoError.unsupported("strings in mode \(mode): only nearest moves them") }
      return try LinearParts.strings(context, evaluate)
    }
    let view = try ElementView<Double>(x)
    let places = try ElementView<Double>(grid)
    return [
      .tensor(
        try Tensor.make(x.dataType, [x.shape[0], channels] + outputs, as: Double.self) { out in
          NNParallel.ranges(x.shape[0] * positions, grain: 256) { range in
            for item in range {
              let batch = item / positions
              let place = (0..<rank).map { axis in
                let n = places.base[item * rank + rank - 1 - axis]
                let size = Double(sizes[axis])
                return aligns ? (n + 1) / 2 * (size - 1) : ((n + 1) * size - 1) / 2
              }
              let weights = sampler.weights(at: place)
              for c in 0..<channels {
                let image = view.base + (batch * channels + c) * plane
                var sum = 0.0
                for (index, weight) in weights { sum += image[index] * weight }
                out[(batch * channels + c) * positions + item % positions] = sum
              }
            }
          }
        })
    ]
  }

  private static let names = ["bilinear": "linear", "bicubic": "cubic"]

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 20, case .string(let mode) = graph[node]["mode"] else { return }
    if let renamed = GridSample.names[mode] { graph.setAttribute("mode", of: node, to: .string(renamed)) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 20 else { return }
    if let rank = graph[node].input(0).flatMap({ graph[$0].type?.shape?.count }), rank != 4 {
      throw CameoError.unsupported("GridSample of rank \(rank) before opset 20")
    }
    guard case .string(let mode) = graph[node]["mode"] else { return }
    if let old = GridSample.names.first(where: { $0.value == mode })?.key {
      graph.setAttribute("mode", of: node, to: .string(old))
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(GridSample(), to: $0) })
