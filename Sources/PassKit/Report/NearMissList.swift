import GraphIR

/// The near misses of all passes while they run: those of each pass's last run, less what another pass has fused since. Where an
/// earlier run came further at the same value, before another pass rewrote what stands there, its sentence stays.
struct NearMissList {
  private var order: [String] = []
  private var byPass: [String: [NearMiss]] = [:]

  /// A pass has run: `misses` take the place of its former ones; all that are about a value in `consumed` go.
  mutating func note(_ pass: String, _ misses: [NearMiss], consumed: Set<Int32>) {
    if !consumed.isEmpty {
      for name in order { byPass[name]?.removeAll { consumed.contains($0.key) } }
    }
    if byPass[pass] == nil { order.append(pass) }
    var earlier: [Int32: NearMiss] = [:]
    for miss in byPass[pass] ?? [] where miss.key >= 0 && miss.reach > earlier[miss.key]?.reach ?? 0 {
      earlier[miss.key] = miss
    }
    byPass[pass] = misses.map { miss in
      if let former = earlier[miss.key], former.reach > miss.reach { former } else { miss }
    }
  }

  /// Values have new indices, -1 for those that are gone.
  mutating func renumber(_ map: [Int32]) {
    func renumbered(_ index: Int32) -> Int32 { map.indices.contains(Int(index)) ? map[Int(index)] : -1 }
    byPass = byPass.mapValues { misses in
      misses.map { miss in
        var miss = miss
        miss.key = renumbered(miss.key)
        miss.place = renumbered(miss.place)
        return miss
      }
    }
  }

  /// What is left to tell, in the order of the passes: each says its own of a node, but where several patterns stopped at one node
  /// only that which came furthest, and where several say the same of it the first.
  func settled(_ model: Model) -> [NearMiss] {
    var left: [NearMiss] = []
    let graph = model.graph
    var live: Set<UInt32>?
    for name in order {
      for var miss in byPass[name] ?? [] {
        if miss.key < 0 {
          // The node was written anew: a source node of it has to be there still.
          if live == nil { live = Set(graph.allNodes.flatMap { graph[$0].origins.indices }) }
          guard miss.origins.contains(where: { live?.contains(UInt32($0)) ?? false }) else { continue }
        }
        miss.pass = name
        miss.originNames = miss.origins.map { UInt32($0) }.filter { index in
          Int(index) < model.sourceNodes.count && model.sourceNodes[Int(index)].operatorName != OperatorName("Constant")
        }.map(model.sourceLabel)
        left.append(miss)
      }
    }
    var furthest: [Int32: NearMiss] = [:]
    for miss in left where miss.reach < .max && miss.place >= 0 {
      if miss.reach > furthest[miss.place]?.reach ?? 0 { furthest[miss.place] = miss }
    }
    var said: Set<String> = []
    return left.filter { miss in
      if miss.reach < .max, miss.place >= 0, let best = furthest[miss.place], best.pass != miss.pass { return false }
      return said.insert("\(miss.key < 0 ? miss.node : "\(miss.key)")|\(miss.reason)").inserted
    }
  }
}
