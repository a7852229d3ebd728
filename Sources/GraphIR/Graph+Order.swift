import Tensors

extension Graph {
  /// Puts every region's nodes in a topological order that keeps the present one where it can; a node that was appended lands
  /// before its first reader. Dead ids go. Throws where there is a cycle. O(nodes + edges).
  public mutating func sortTopologically() throws {
    for region in regionArena.indices where regionArena[region].isAlive { try sort(RegionID(region)) }
  }

  private mutating func sort(_ region: RegionID) throws {
    let listed = nodes(in: region)
    regionArena[Int(region.index)].deadNodes = 0
    regionArena[Int(region.index)].nodes = listed
    if isSorted(listed) { return }

    // 0 unseen, 1 on the path, 2 emitted. Iterative: a chain may be longer than the stack is deep.
    var state = [UInt8](repeating: 0, count: nodeArena.count)
    var order: [NodeID] = []
    order.reserveCapacity(listed.count)
    var stack: [(id: NodeID, needs: [NodeID], next: Int)] = []
    for root in listed where state[Int(root.index)] == 0 {
      stack.append((root, dependencies(of: root), 0))
      state[Int(root.index)] = 1
      while let top = stack.last {
        if top.next < top.needs.count {
          stack[stack.count - 1].next += 1
          let need = top.needs[top.next]
          switch state[Int(need.index)] {
          case 2: continue
          case 1: throw CameoError.badInput("\(describe(need)) is part of a cycle")
          default:
            state[Int(need.index)] = 1
            stack.append((need, dependencies(of: need), 0))
          }
        } else {
          state[Int(top.id.index)] = 2
          order.append(top.id)
          stack.removeLast()
        }
      }
    }
    regionArena[Int(region.index)].nodes = order
  }

  private func isSorted(_ order: [NodeID]) -> Bool {
    var seen = [Bool](repeating: false, count: nodeArena.count)
    for id in order {
      let index = Int(id.index)
      if nodeArena[index].ownsRegions {
        for need in dependencies(of: id) where !seen[Int(need.index)] { return false }
      } else {
        for case .some(let input) in nodeArena[index].inputs {
          guard let need = producer(input) else { continue }
          let other = Int(need.index)
          if !seen[other], nodeArena[other].region == nodeArena[index].region { return false }
        }
      }
      seen[index] = true
    }
    return true
  }

  /// The nodes of the same region that `id` waits for, those that its bodies capture included.
  public func dependencies(of id: NodeID) -> [NodeID] {
    let node = self[id]
    var result: [NodeID] = []
    for input in node.inputs {
      if let input, let producer = producer(input), self[producer].region == node.region { result.append(producer) }
    }
    if node.ownsRegions {
      for region in node.regions {
        for captured in capturedValues(of: region) {
          if let producer = producer(captured), self[producer].region == node.region { result.append(producer) }
        }
      }
    }
    return result
  }

  /// The values from outside that `region` or a body nested in it reads, each once, constants included, in first-use order.
  public func capturedValues(of region: RegionID) -> [ValueID] {
    var seen: Set<ValueID> = []
    var result: [ValueID] = []
    func note(_ value: ValueID) {
      if !isRegion(self[value].region, within: region), seen.insert(value).inserted { result.append(value) }
    }
    func walk(_ inner: RegionID) {
      for id in nodes(in: inner) {
        for case .some(let input) in self[id].inputs { note(input) }
        for nested in self[id].regions { walk(nested) }
      }
      for output in self[inner].outputs { note(output) }
    }
    walk(region)
    return result
  }

  /// Removes tombstones: new ids for nodes, values and regions. Every id from before is void. The result gives each old value's
  /// new index, -1 for one that is gone; nil where nothing moved.
  @discardableResult
  public mutating func compact() -> [Int32]? {
    var nodeMap = [Int32](repeating: -1, count: nodeArena.count)
    var valueMap = [Int32](repeating: -1, count: valueArena.count)
    var regionMap = [Int32](repeating: -1, count: regionArena.count)
    func number(_ map: inout [Int32], _ isAlive: (Int) -> Bool) {
      var next: Int32 = 0
      for index in map.indices where isAlive(index) {
        map[index] = next
        next += 1
      }
    }
    number(&nodeMap) { nodeArena[$0].isAlive }
    number(&valueMap) { valueArena[$0].isAlive }
    number(&regionMap) { regionArena[$0].isAlive }
    if Int(nodeMap.last ?? -1) == nodeMap.count - 1, Int(valueMap.last ?? -1) == valueMap.count - 1,
      Int(regionMap.last ?? -1) == regionMap.count - 1
    {
      return nil
    }
    func map(_ id: NodeID) -> NodeID { NodeID(Int(nodeMap[Int(id.index)])) }
    func map(_ id: ValueID) -> ValueID { ValueID(Int(valueMap[Int(id.index)])) }
    func map(_ id: RegionID) -> RegionID { RegionID(Int(regionMap[Int(id.index)])) }
    func map(_ attribute: Attribute) -> Attribute {
      switch attribute {
      case .graph(let region): .graph(map(region))
      case .graphs(let regions): .graphs(regions.map { map($0) })
      default: attribute
      }
    }
    func isKept(_ value: ValueID?) -> Bool { value.map { valueMap[Int($0.index)] >= 0 } ?? true }
    for index in nodeArena.indices where nodeArena[index].isAlive {
      for i in nodeArena[index].inputs.indices {
        nodeArena[index].inputs[i] = nodeArena[index].inputs[i].map { map($0) }
      }
      for i in nodeArena[index].outputs.indices {
        nodeArena[index].outputs[i] = nodeArena[index].outputs[i].map { map($0) }
      }
      for i in nodeArena[index].attributes.indices where !nodeArena[index].attributes[i].value.regions.isEmpty {
        nodeArena[index].attributes[i].value = map(nodeArena[index].attributes[i].value)
      }
      nodeArena[index].region = map(nodeArena[index].region)
      if let form = nodeArena[index].sourceForm {
        let whole = form.inputs.allSatisfy(isKept) && form.outputs.allSatisfy(isKept)
        nodeArena[index].sourceForm =
          whole
          ? SourceForm(
            operatorName: form.operatorName,
            attributes: form.attributes.map { NamedAttribute($0.name, map($0.value), documentation: $0.documentation) },
            inputs: form.inputs.map { $0.map { map($0) } }, outputs: form.outputs.map { $0.map { map($0) } },
            opset: form.opset) : nil
      }
    }
    for index in valueArena.indices where valueArena[index].isAlive {
      switch valueArena[index].producer {
      case .none: break
      case .node(let id, let output): valueArena[index].producer = .node(map(id), output)
      case .regionInput(let region, let input): valueArena[index].producer = .regionInput(map(region), input)
      }
      valueArena[index].region =
        regionMap[Int(valueArena[index].region.index)] >= 0 ? map(valueArena[index].region) : .main
      for i in valueArena[index].uses.indices {
        switch valueArena[index].uses[i] {
        case .node(let id, let input): valueArena[index].uses[i] = .node(map(id), input)
        case .output(let region, let output): valueArena[index].uses[i] = .output(map(region), output)
        }
      }
    }
    for index in regionArena.indices where regionArena[index].isAlive {
      regionArena[index].inputs = regionArena[index].inputs.map { map($0) }
      regionArena[index].outputs = regionArena[index].outputs.map { map($0) }
      regionArena[index].nodes = nodes(in: RegionID(index)).map { map($0) }
      regionArena[index].deadNodes = 0
      regionArena[index].parent = regionArena[index].parent.map { map($0) }
    }
    nodeArena = ContiguousArray(nodeArena.lazy.filter(\.isAlive))
    valueArena = ContiguousArray(valueArena.lazy.filter(\.isAlive))
    regionArena = ContiguousArray(regionArena.lazy.filter(\.isAlive))
    return valueMap
  }

  /// Removes constants that nothing reads and that are no region's input, and dead bodies' leftovers. O(values).
  public mutating func removeUnreadConstants() {
    for index in valueArena.indices
    where valueArena[index].isAlive && valueArena[index].producer == .none && valueArena[index].uses.isEmpty {
      removeValue(ValueID(index))
    }
  }
}
