import GraphIR
import Tensors

/// com.microsoft.GridSample(X, Grid): the standard's GridSample; its modes are bilinear, nearest and bicubic.
struct MicrosoftGridSample: ComposedOperator {
  let name = OperatorName("GridSample", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GridSample 1 2 2 1 1
    a align_corners int=0
    a mode string=bilinear
    a padding_mode string=zeros
    i X T1
    i Grid T1
    o Y T2
    c T1 tensor(*):uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,complex128
    c T2 tensor(*):float16,float,double
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let mode = try c.attributes.string("mode")
    let names = ["bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"]
    guard let standard = names[mode] else {
      throw CameoError.badInput("attribute mode is \(mode), bilinear, nearest or bicubic was expected")
    }
    let x = try c.given(0, "X")
    try c.require(x, ranks: 4...4, "X")
    var grid = try c.given(1, "Grid")
    let padding = try c.attributes.string("padding_mode")
    if mode == "bicubic" && padding == "border" { grid = try onBorder(&c, x, grid) }
    return [
      try c.node(
        "GridSample", [x, grid],
        [
          NamedAttribute("align_corners", .int(Int64(try c.attributes.int("align_corners")))),
          NamedAttribute("mode", .string(standard)),
          NamedAttribute("padding_mode", .string(padding)),
        ])
    ]
  }

  /// A point of which one coordinate is outside is moved onto the border before its neighbours are looked up; the standard
  /// moves the neighbours alone.
  private func onBorder<C: Composer>(_ c: inout C, _ x: C.Ref, _ grid: C.Ref) throws -> C.Ref {
    let shape = try c.shape(x)
    let edges = try [3, 2].map { axis in
      let size = try c.number(shape[axis], "the height or width of X")
      return try c.attributes.bool("align_corners") ? 1 : Float(1 - 1 / Double(max(1, size)))
    }
    let type = try c.type(grid)
    let high = try c.constant(try .of(edges, type))
    let low = try c.constant(try .of(edges.map { -$0 }, type))
    let moved = try c.node("Max", [try c.node("Min", [grid, high]), low])
    let reach = try c.node("ReduceMax", [try c.node("Abs", [grid]), try c.ints([3])])
    return try c.node("Where", [try c.node("Greater", [reach, try c.scalar(1, type)]), moved, grid])
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGridSample(), to: $0) })
