import GraphIR
import Tensors

/// The fused products of com.microsoft.
enum FusedProducts {
  /// alpha * A' B' in the inputs' type, or in float (`isWide`) where that is narrower.
  static func matMul<C: Composer>(
    _ c: inout C, transA: String, transB: String, isWide: Bool = false
  ) throws -> C.Ref {
    let a = try c.given(0, "A")
    let b = try c.given(1, "B")
    let type = try c.type(a)
    let swapsA = try c.attributes.int(transA, default: 0) != 0
    let swapsB = try c.attributes.int(transB, default: 0) != 0
    let alpha = try c.attributes.float("alpha")
    let x = try turned(&c, alpha == 1 && !isWide ? a : try c.wide(a), "transBatchA", false)
    let y = try turned(&c, alpha == 1 && !isWide ? b : try c.wide(b), "transBatchB", false)
    if c.mayEmitCameo, type == .float, swapsA || swapsB || alpha != 1 {
      return try c.nodes(
        OperatorName("FusedMatMul", domain: "ai.cameo"), [x, y],
        [
          NamedAttribute("alpha", .float(alpha)), NamedAttribute("transA", .int(swapsA ? 1 : 0)),
          NamedAttribute("transB", .int(swapsB ? 1 : 0)),
        ], outputs: 1)[0]
    }
    var product = try c.node("MatMul", [try turned(&c, x, nil, swapsA), try turned(&c, y, nil, swapsB)])
    if alpha != 1 { product = try c.mul(product, try c.scalar(Double(alpha), try c.type(product))) }
    return isWide ? product : try c.cast(product, type)
  }

  /// The first axis moved in front of the last one (`batch` names the attribute that asks for it), the last two exchanged.
  private static func turned<C: Composer>(
    _ c: inout C, _ x: C.Ref, _ batch: String?, _ swaps: Bool
  ) throws -> C.Ref {
    let movesBatch = try batch.map { try c.attributes.int($0, default: 0) != 0 } ?? false
    guard movesBatch || swaps else { return x }
    let rank = try c.rank(x)
    guard rank > 1 else { return x }
    var permutation = Array(0..<rank)
    if movesBatch { permutation = Array(1..<rank - 1) + [0, rank - 1] }
    if swaps { permutation.swapAt(rank - 1, rank - 2) }
    return try c.transpose(x, permutation)
  }

  /// The activation that `activation` names, with the parameters of FusedGemm and FusedMatMulActivation.
  static func activate<C: Composer>(_ c: inout C, _ x: C.Ref) throws -> C.Ref {
    let name = try c.attributes.optionalString("activation") ?? ""
    let parameters = try ["alpha", "beta", "gamma"].map { try c.attributes.optionalFloat("activation_" + $0) }
    return try c.activation(name, x, parameters, axis: try c.attributes.optionalInt("activation_axis"))
  }

  /// activation(Conv(x, W, B) + addend), channels first.
  static func conv<C: Composer>(_ c: inout C, _ x: C.Ref, addend: C.Ref?) throws -> C.Ref {
    let names: Set<String> = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"]
    var inputs: [C.Ref?] = [x, try c.wide(try c.given(1, "W"))]
    if let bias = c.input(2) { inputs.append(try c.wide(bias)) }
    var y = try c.node("Conv", inputs, c.node.attributes.filter { names.contains($0.name) })
    if let addend { y = try c.add(y, addend) }
    let parameters = try c.attributes.optionalFloats("activation_params") ?? []
    return try c.activation(try c.attributes.optionalString("activation") ?? "", y, parameters)
  }
}

/// Products of complex numbers whose parts are the last axis.
enum ComplexProduct {
  static func compose<C: Composer>(_ c: inout C, conjugates: Bool) throws -> C.Ref {
    let (a, b) = (try c.given(0, "A"), try c.given(1, "B"))
    let (p, q) = (try parts(&c, a), try parts(&c, b))
    let (rr, ii) = (try c.mul(p[0], q[0]), try c.mul(p[1], q[1]))
    let (ri, ir) = (try c.mul(p[0], q[1]), try c.mul(p[1], q[0]))
    let real = conjugates ? try c.add(rr, ii) : try c.sub(rr, ii)
    let imaginary = conjugates ? try c.sub(ir, ri) : try c.add(ir, ri)
    return try c.cast(try c.concat([real, imaginary], axis: -1), try c.type(a))
  }

  private static func parts<C: Composer>(_ c: inout C, _ x: C.Ref) throws -> [C.Ref] {
    let rank = try c.rank(x)
    guard rank > 0 else { throw CameoError.badInput("a scalar has no real and imaginary part") }
    try c.requireEqual(try c.shape(x)[rank - 1], 2, "the last axis holds real and imaginary part")
    return try c.split(try c.wide(x), [1, 1], axis: rank - 1)
  }
}
