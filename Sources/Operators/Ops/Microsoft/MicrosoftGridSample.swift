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
    return [
      try c.node(
        "GridSample", [x, try c.given(1, "Grid")],
        [
          NamedAttribute("align_corners", .int(Int64(try c.attributes.int("align_corners")))),
          NamedAttribute("mode", .string(standard)),
          NamedAttribute("padding_mode", .string(try c.attributes.string("padding_mode"))),
        ])
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGridSample(), to: $0) })
