import Tensors

/// GroupNormalization and InstanceNormalization in pieces.
enum GroupNormSpelling {
  static func make(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let g = try GraphWriter(draw, opsets: 9...24)
    let norm = try g.draw.pick("norm", ["group", "group", "instance"])
    let form = try g.draw.pick(
      "form", norm == "group" ? ["instanceNode", "reduced"] : ["reduced", "layerOfFlat"])
    let dynamic = try g.draw.pick("dynamic", ["static", "batch", "image"])
    let groups = g.draw.number(2...3)
    let channels = norm == "group" ? groups * g.draw.number(2...3) : g.draw.number(2...5)
    let batch = Size(g.draw.number(1...3), dynamic == "static" ? nil : "batch")
    let height = Size(g.draw.number(2...4), dynamic == "image" ? "height" : nil)
    let width = Size(g.draw.number(2...4), dynamic == "image" ? "width" : nil)
    let shape = [batch, Size(channels), height, width]
    let x = try g.realInput("x", shape)
    let affine = try g.draw.pick("affine", ["both", "both", "none"])
    var y: String
    if norm == "group" {
      let isFive = form == "reduced" && g.draw.flip()
      let five: [(size: Size, value: String, axis: Int)] = [
        (batch, x, 0), (Size(groups), "", 0), (Size(channels / groups), "", 0), (height, x, 2), (width, x, 3),
      ]
      let flat = g.node("Reshape", [x, try isFive ? g.shapeTensor(five) : g.ints([0, groups, -1])])
      if form == "instanceNode" {
        let ones = g.constant(try .of([Double](repeating: 1, count: groups), .float))
        let zeros = g.constant(try .of([Double](repeating: 0, count: groups), .float))
        y = g.node("InstanceNormalization", [flat, ones, zeros], [.float("epsilon", 1e-5)])
      } else {
        y = try reduced(g, flat, axes: isFive ? [2, 3, 4] : [2])
      }
      let shape = try g.shapeTensor([(batch, x, 0), (Size(channels), "", 1), (height, x, 2), (width, x, 3)])
      y = g.node("Reshape", [y, g.draw.flip() ? g.node("Shape", [x]) : shape])
    } else if form == "reduced" {
      y = try reduced(g, x, axes: [2, 3])
    } else {
      let flat = g.node("Reshape", [x, try g.ints([0, channels, -1])])
      y = g.node("Reshape", [try reduced(g, flat, axes: [2]), g.node("Shape", [x])])
    }
    if affine == "both" {
      let isFlat = g.draw.flip()
      y = g.mul(y, try g.gamma(isFlat ? [channels, 1, 1] : [1, channels, 1, 1]))
      y = g.add(y, try g.gamma(isFlat ? [channels, 1, 1] : [1, channels, 1, 1]))
    }
    g.output(y, shape)
    // Runtimes expand GroupNormalization-21: InstanceNormalization between Reshapes is the form that they run.
    return (g, [.init("InstanceNormalization", .operators("InstanceNormalization|GroupNormalization", 1))])
  }

  private static func reduced(_ g: GraphWriter, _ x: String, axes: [Int]) throws -> String {
    let mean = try g.reduce("ReduceMean", x, axes)
    let centered = g.sub(x, mean)
    let squared = try g.draw.flip() ? g.node("Mul", [centered, centered]) : g.node("Pow", [centered, g.scalar(2)])
    let sum = g.add(try g.reduce("ReduceMean", squared, axes), try g.scalar(1e-5))
    let root = g.node("Sqrt", [sum])
    return g.draw.flip() ? g.div(centered, root) : g.mul(centered, g.node("Reciprocal", [root]))
  }
}

/// Convolutions and products with normalizations or scales by channel around them.
enum BatchNormSpelling {
  static func make(_ draw: Draw, flaw: String? = nil) throws -> (GraphWriter, [Spelling.Expectation]) {
    let g = try GraphWriter(draw, opsets: 9...24)
    let product = try g.draw.pick("product", ["conv", "convTranspose", "gemm", "matMul", "depthwise"])
    let isFlat = product == "gemm" || product == "matMul"
    let order = try g.draw.pick("order", product == "convTranspose" ? ["after"] : ["after", "before"])
    let form = try g.draw.pick("form", ["node", "mulAdd", "mul", "add", "subDiv"])
    let dynamic = try g.draw.pick("dynamic", ["static", "batch"])
    let channels = g.draw.number(2...4)
    let outer = product == "depthwise" ? channels : g.draw.number(2...5)
    let batch = Size(g.draw.number(1...3), dynamic == "static" ? nil : "batch")
    let side = Size(5)
    let x = try g.realInput("x", isFlat ? [batch, Size(channels)] : [batch, Size(channels), side, side])
    let hasBias = try g.draw.pick("bias", ["none", "bias"]) == "bias"
    // Before a convolution an offset survives only without padding.
    let hasPadding =
      try g.draw.pick("padding", isFlat || (order == "before" && flaw != "padding") ? ["none"] : ["none", "one"])
      == "one"
    func around(_ x: String, _ channels: Int) throws -> String {
      let shape =
        flaw == "spatial" ? [5] : isFlat ? [channels] : g.draw.flip() ? [1, channels, 1, 1] : [channels, 1, 1]
      switch form {
      case "node":
        return g.node(
          "BatchNormalization",
          [x, try g.gamma([channels]), try g.weight([channels]), try g.weight([channels]), try g.gamma([channels])],
          g.draw.flip() ? [.float("epsilon", 1e-3)] : [])
      case "mulAdd": return g.add(g.mul(x, try g.gamma(shape)), try g.weight(shape))
      case "mul": return g.mul(x, try g.gamma(shape))
      case "add": return g.add(x, try g.weight(shape))
      default: return g.div(g.sub(x, try g.weight(shape)), try g.gamma(shape))
      }
    }
    func multiplied(_ x: String) throws -> String {
      let bias = hasBias ? [try g.weight([outer])] : []
      let pads: [Attr] = hasPadding ? [.ints("pads", [1, 1, 1, 1])] : []
      switch product {
      case "conv":
        let shape = [outer, channels, 3, 3]
        let weight = try flaw == "weightInput" ? g.realInput("weight", shape.map { Size($0) }) : g.weight(shape)
        return g.node("Conv", [x, weight] + bias, pads)
      case "depthwise":
        return g.node("Conv", [x, try g.weight([outer, 1, 3, 3])] + bias, pads + [.int("group", channels)])
      case "convTranspose": return g.node("ConvTranspose", [x, try g.weight([channels, outer, 3, 3])] + bias, pads)
      case "gemm":
        // Before opset 11 C is no option.
        let c = bias.isEmpty && g.opset < 11 ? [try g.weight([outer])] : bias
        return g.node("Gemm", [x, try g.weight([outer, channels])] + c, [.int("transB", 1)])
      default:
        let y = g.matMul(x, try g.weight([channels, outer]))
        return hasBias ? g.add(y, bias[0]) : y
      }
    }
    let reach = product == "convTranspose" ? (hasPadding ? 5 : 7) : (hasPadding ? 5 : 3)
    let y: String
    if order == "after" {
      let inner = try multiplied(x)
      if flaw == "readInner" { g.output(inner, [batch, Size(outer), Size(reach), Size(reach)]) }
      y = try around(inner, outer)
    } else {
      y = try multiplied(around(x, channels))
    }
    g.output(y, isFlat ? [batch, Size(outer)] : [batch, Size(outer), Size(reach), Size(reach)])
    return (
      g, [.init("folded", .gone(["BatchNormalization", "Mul", "Div", "Sub"] + (product == "matMul" ? [] : ["Add"])))]
    )
  }
}
