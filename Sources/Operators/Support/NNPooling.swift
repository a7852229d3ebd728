internal import CKernels
import GraphIR
import Tensors

/// What the windowed pooling operators share: shape inference and the walk over planes.
enum NNPooling {
  /// The output shape of a window over input 0, [N, C, outputs..].
  static func shape(_ context: InferenceContext) throws -> [Dim]? {
    let window = try NNWindow(context.attributes, kernel: nil)
    guard let x = context.shape(0) else { return nil }
    guard x.count >= 2 else { throw CameoError.badInput("input 0 (X) has rank \(x.count), [N, C, ..] was expected") }
    return Array(x[..<2]) + (try window.outputs(Array(x[2...])))
  }

  static func geometry(_ context: EvaluationContext, _ x: Tensor) throws -> NNGeometry {
    guard x.rank >= 2 else { throw CameoError.badInput("input 0 (X) is \(x), [N, C, ..] was expected") }
    return try NNWindow(context.attributes, kernel: nil).resolved(Array(x.shape[2...]))
  }

  /// Runs `float` (a C kernel over planes) for 32-bit floats and less, `double` (one position of one plane) otherwise.
  static func evaluate(
    _ x: Tensor, _ geometry: NNGeometry,
    float: (UnsafeMutablePointer<Float>, UnsafePointer<Float>, ck_window, Range<Int>) -> Void,
    double: (UnsafePointer<Double>, Int) -> Double
  ) throws -> Tensor {
    let planes = x.shape[0] * x.shape[1]
    let shape = Array(x.shape[..<2]) + geometry.output
    let positions = geometry.outputCount
    if x.dataType != .double && geometry.rank <= 3 {
      let window = try geometry.kernelWindow()
      let view = try ElementView<Float>(x)
      return try Tensor.make(x.dataType, shape, as: Float.self) { out in
        NNParallel.ranges(planes, grain: max(1, 4096 / max(1, positions))) { float(out, view.base, window, $0) }
      }
    }
    let view = try ElementView<Double>(x)
    return try Tensor.make(x.dataType, shape, as: Double.self) { out in
      for plane in 0..<planes {
        for position in 0..<positions {
          out[plane * positions + position] = double(view.base + plane * geometry.inputCount, position)
        }
      }
    }
  }
}

/// Lowering: what older versions say by padding.
extension NNPooling {
  /// Dilations of 1, which older versions have no attribute for.
  static func dropPlainDilations(_ graph: inout Graph, _ node: NodeID) {
    if case .ints(let dilations) = graph[node]["dilations"], dilations.allSatisfy({ $0 == 1 }) {
      graph.setAttribute("dilations", of: node, to: nil)
    }
  }

  /// Says `ceil_mode` by more padding at the end. Throws `.unsupported` where the input's sizes decide and are not known.
  static func lowerCeilMode(_ graph: inout Graph, _ node: NodeID) throws {
    let attributes = AttributeReader(graph[node])
    // Where the padding is found from the sizes, rounding up means nothing.
    if try attributes.bool("ceil_mode"), try NNWindow(attributes, kernel: nil).autoPad == .notSet {
      setPads(try padding(graph, node, rounded: true), of: node, in: &graph)
    }
    graph.setAttribute("ceil_mode", of: node, to: nil)
  }

  static func setPads(_ pads: [Int], of node: NodeID, in graph: inout Graph) {
    let isPadded = pads.contains { $0 != 0 }
    graph.setAttribute("pads", of: node, to: isPadded ? .ints(pads.map { Int64($0) }) : nil)
  }

  /// The padding [begins.., ends..] of a pooling node as plain numbers. `rounded`: with what `ceil_mode` lets the last windows
  /// reach over, so that without it they are as many.
  static func padding(_ graph: Graph, _ node: NodeID, rounded: Bool) throws -> [Int] {
    let window = try NNWindow(AttributeReader(graph[node]), kernel: nil)
    let shape = graph.shape(graph[node].input(0))
    if let shape, shape.count != window.rank + 2 {
      throw CameoError.badInput("the window has \(window.rank) axes (kernel_shape), the input \(shape.count - 2)")
    }
    var (begin, end) = (window.padsBegin, window.padsEnd)
    for axis in 0..<window.rank {
      let size = shape?[axis + 2]
      switch window.autoPad {
      case .sameUpper, .sameLower:
        let total = try sharedPadding(window, axis, size)
        begin[axis] = window.autoPad == .sameUpper ? total / 2 : total - total / 2
        end[axis] = total - begin[axis]
      case .notSet where rounded && window.ceilMode: end[axis] = try reach(window, axis, size?.value)
      case .notSet, .valid: break
      }
    }
    return begin + end
  }

  private static func sharedPadding(_ window: NNWindow, _ axis: Int, _ size: Dim?) throws -> Int {
    // One window a stride: with a stride of 1 the size does not matter.
    let size = size ?? .symbol("size")
    let stride = Dim(window.strides[axis])
    let total = (size.ceilDiv(stride) - 1) * stride + Dim(window.extent(axis)) - size
    guard let total = total.value else {
      throw CameoError.unsupported(
        "axis \(axis + 2) of the input has no known size, which auto_pad takes the padding from")
    }
    return max(0, total)
  }

  /// The padding at the end up to where the last window of `ceil_mode` reaches.
  private static func reach(_ window: NNWindow, _ axis: Int, _ size: Int?) throws -> Int {
    let (stride, extent, end) = (window.strides[axis], window.extent(axis), window.padsEnd[axis])
    if let size, size < 1 << 48 {
      guard let count = try window.outputs(anyOther(window, axis, size))[axis].value else { return end }
      let exact = (count - 1) * stride + extent - size - window.padsBegin[axis]
      return min(max(end, exact), exact + stride - 1)
    }
    // A window that starts less than a stride past the last full one starts inside the input still: none is left out.
    if end + stride <= extent { return end + stride - 1 }
    throw CameoError.unsupported(
      "axis \(axis + 2) of the input has no known size, which decides how many windows ceil_mode leaves out")
  }

  /// Sizes of which that of `axis` matters.
  private static func anyOther(_ window: NNWindow, _ axis: Int, _ size: Int) -> [Dim] {
    (0..<window.rank).map { $0 == axis ? Dim(size) : Dim(window.extent($0)) }
  }
}
