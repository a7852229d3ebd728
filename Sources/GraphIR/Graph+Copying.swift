import Tensors

/// Bodies as graphs of their own, and graphs as bodies.
extension Graph {
  /// A new region with the contents of `body`'s main region, bodies nested in it included. A node whose attribute takes it
  /// becomes its parent. Origins stay behind: they are the node's. O(body).
  public mutating func addRegion(copying body: Graph) -> RegionID {
    let region = addRegion(name: body[.main].name)
    var values: [ValueID: ValueID] = [:]
    copyContents(of: .main, in: body, to: region, constants: region, &values)
    return region
  }

  /// The region as a graph of its own; nil where it reads what is computed outside. Constants from outside come with it.
  /// O(region).
  public func standalone(_ region: RegionID) -> Graph? {
    if capturedValues(of: region).contains(where: { !self[$0].isConstant }) { return nil }
    var result = Graph(name: self[region].name)
    var values: [ValueID: ValueID] = [:]
    result.copyContents(of: region, in: self, to: .main, constants: .main, &values)
    return result
  }

  /// `values`: what stands here for the values of `source`, known so far. `constants`: the region that constants go to.
  private mutating func copyContents(
    of region: RegionID, in source: Graph, to target: RegionID, constants: RegionID, _ values: inout [ValueID: ValueID]
  ) {
    for input in source[region].inputs {
      let copy = addValue(name: source[input].name, type: source[input].type, in: target)
      addInput(copy, to: target)
      setConstant(source[input].constant, of: copy)
      values[input] = copy
    }
    for id in source.nodes(in: region) {
      let node = source[id]
      let inputs = node.inputs.map { input in input.map { take($0, from: source, to: constants, &values) } }
      var attributes = node.attributes
      for index in attributes.indices {
        switch attributes[index].value {
        case .graph(let body): attributes[index].value = .graph(copied(body, source, constants, &values))
        case .graphs(let bodies):
          attributes[index].value = .graphs(bodies.map { copied($0, source, constants, &values) })
        default: break
        }
      }
      let outputs = node.outputs.map { output in
        output.map { output in
          let copy = addValue(name: source[output].name, type: source[output].type, in: target)
          values[output] = copy
          return copy
        }
      }
      addNode(
        node.operatorName, name: node.name, inputs: inputs, outputs: outputs, attributes: attributes,
        overload: node.overload, in: target)
    }
    setOutputs(source[region].outputs.map { take($0, from: source, to: constants, &values) }, of: target)
  }

  private mutating func copied(
    _ body: RegionID, _ source: Graph, _ constants: RegionID, _ values: inout [ValueID: ValueID]
  ) -> RegionID {
    let region = addRegion(name: source[body].name)
    copyContents(of: body, in: source, to: region, constants: constants, &values)
    return region
  }

  /// What stands here for `value`: a constant is copied when it is first met.
  private mutating func take(
    _ value: ValueID, from source: Graph, to region: RegionID, _ values: inout [ValueID: ValueID]
  ) -> ValueID {
    if let known = values[value] { return known }
    let copy: ValueID
    if let constant = source[value].constant {
      copy = addConstant(constant, name: source[value].name, form: source[value].constantForm, in: region)
    } else {
      copy = addValue(name: source[value].name, type: source[value].type, in: region)
    }
    values[value] = copy
    return copy
  }
}
