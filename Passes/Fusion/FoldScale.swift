import GraphIR
import Operators
import PassKit
import Tensors

/// The two rules of FuseConvScale and FuseMatMulScale: what scales and shifts channels goes into the weights next to it, also
/// where Transposes and Reshapes that leave the channels together stand in between.
enum FoldScale {
  /// Product, then affine.
  struct Behind: RewriteRule {
    let name: String
    let products: Set<String>
    let anchors = Set(AxisAffine.operators.map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard let operand = AxisAffine.operand(of: id, context), let output = node.output(0) else { return nil }
      let (movements, value) = AxisTrail.movements(behind: operand, in: node.region, context)
      guard let product = try product(of: value, for: id, context), product.result == value else { return nil }
      guard graph.hasSingleUse(value) else {
        throw Refusal("the output of the \(graph[product.id].type) is also read elsewhere", at: product.id)
      }
      guard let affine = try AxisAffine.read(id, operand, context) else { return nil }
      // One number for everything may be the scale of an attention: it goes into the weights only right behind them.
      if affine.axis == nil && !movements.isEmpty { return nil }
      var trail = AxisTrail(axis: product.resultAxis, count: product.resultCount)
      for movement in movements {
        guard try trail.follow(movement, context) else {
          throw Refusal(
            "\(graph[movement].type) cuts up the channels between the product and \(node.type)", at: movement)
        }
      }
      if let axis = affine.axis {
        guard axis == trail.axis, trail.origins.count == product.resultCount else {
          throw Refusal(
            "\(node.type) varies along axis \(axis), the channels of the product are axis \(trail.axis)", at: id)
        }
      }
      var change = GraphChange(rule: name, covers: product.nodes + movements + [id], isFusion: true)
      let (scale, offset) = affine.spread(product.resultCount)
      let result = try product.scaled(scale, offset, &change, context)
      change.replace(output, with: change.repeating(movements, on: result, in: graph))
      return change
    }

    private func product(of value: ValueID, for id: NodeID, _ context: PassContext) throws -> ConstantProduct? {
      let graph = context.graph
      guard var producer = graph.producer(value), graph[producer].region == graph[id].region else { return nil }
      if graph[producer].is("Add"), products.contains("MatMul"),
        let operand = AxisAffine.operand(of: producer, context), let inner = graph.producer(operand),
        graph[inner].is("MatMul"), graph[inner].region == graph[id].region
      {
        producer = inner
      }
      if graph[producer].is("MatMul") {
        // Products of two computed matrices have scales of all kinds; what is added right behind a MatMul is its bias.
        let isConstant = graph.constant(graph[producer].input(1)) != nil
        if !isConstant, graph[id].type != "BatchNormalization" { return nil }
        let isBehind = graph[producer].output(0) == value && AxisAffine.operand(of: id, context) == value
        // A difference becomes a sum, which what follows sees through.
        if isBehind, graph[id].type == "Add" || (graph[id].type == "Sub" && !isConstant) { return nil }
      }
      return try ConstantProduct(producer, products, context)
    }
  }

  /// Affine, then product.
  struct Ahead: RewriteRule {
    let name: String
    let products: Set<String>
    var anchors: Set<OperatorName> { Set(products.map { OperatorName($0) }) }

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let input = graph[id].input(0), graph.constant(graph[id].input(1)) != nil else { return nil }
      let (movements, value) = AxisTrail.movements(behind: input, in: graph[id].region, context)
      guard let scaling = graph.producer(value), graph[scaling].region == graph[id].region,
        let source = AxisAffine.operand(of: scaling, context), let product = try ConstantProduct(id, products, context)
      else { return nil }
      let type = graph[scaling].type
      guard let affine = try AxisAffine.read(scaling, source, context) else { return nil }
      // A MatMul of higher rank without bias would get an Add for the one in front.
      if affine.isShift && graph[id].is("MatMul") && product.sum == nil && product.resultAxis != 1 { return nil }
      guard graph.hasSingleUse(value) else {
        throw Refusal("the output of \(type) is also read elsewhere", at: scaling)
      }
      let numbers = try channels(affine, movements, product, type, context)
      if !affine.isScale { try refuseUnevenShift(id, type, context) }
      var change = GraphChange(rule: name, covers: [scaling] + movements + product.nodes, isFusion: true)
      let moved = change.repeating(movements, on: .existing(source), in: graph)
      change.replace(
        product.result, with: try product.scalingData(numbers.scale, numbers.offset, from: moved, &change, context))
      return change
    }

    /// The scale and offset of each channel that the product reads.
    private func channels(
      _ affine: AxisAffine, _ movements: [NodeID], _ product: ConstantProduct, _ type: String, _ context: PassContext
    ) throws -> (scale: [Double], offset: [Double]) {
      guard let axis = affine.axis else { return affine.spread(product.dataCount) }
      var trail = AxisTrail(axis: axis, count: affine.scale.count)
      for movement in movements {
        guard try trail.follow(movement, context) else {
          throw Refusal(
            "\(context.graph[movement].type) cuts up the channels between \(type) and the product", at: movement)
        }
      }
      guard trail.axis == product.dataAxis, trail.origins.count == product.dataCount else {
        throw Refusal(
          "\(type) varies along axis \(trail.axis) of what the product reads, the channels are axis \(product.dataAxis)",
          at: product.id)
      }
      return (trail.origins.map { affine.scale[$0] }, trail.origins.map { affine.offset[$0] })
    }

    /// A shift in front of padding, or of a kernel that overlaps itself, is not the same number everywhere behind it.
    private func refuseUnevenShift(_ id: NodeID, _ type: String, _ context: PassContext) throws {
      let node = context.graph[id]
      guard ["Conv", "ConvTranspose"].contains(node.type), let kernel = context.shape(node.input(1))?.dropFirst(2)
      else {
        return
      }
      let attributes = AttributeReader(node)
      let isPointwise = kernel.allSatisfy { $0 == 1 }
      let pads = try attributes.optionalInts("pads") ?? []
      let automatic = try attributes.string("auto_pad", default: "NOTSET")
      let isAutomatic = !["NOTSET", "VALID"].contains(automatic) && !isPointwise
      if node.type == "ConvTranspose" {
        let steps =
          try (attributes.optionalInts("strides") ?? [])
          + (attributes.optionalInts("output_padding") ?? []).map { $0 + 1 }
        guard isPointwise, steps.allSatisfy({ $0 == 1 }) else {
          throw Refusal("the ConvTranspose spreads the shift of the \(type) in front unevenly", at: id)
        }
        return
      }
      guard pads.allSatisfy({ $0 == 0 }), !isAutomatic else {
        let padding = isAutomatic ? "auto_pad \(automatic)" : "pads \(pads)"
        throw Refusal("the Conv pads with zeros (\(padding)), which the \(type) in front would have shifted", at: id)
      }
    }
  }
}
