public import GraphIR

extension Graph {
  /// Gives every graph, node and value a name that says nothing. Dimension names stay: they are types.
  public mutating func renameEverything(seed: UInt64) {
    var state = seed
    func fresh(_ stem: String) -> String {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return stem + String(state >> 16, radix: 36)
    }
    for region in allRegions { modify(region) { $0.name = fresh("q") } }
    for id in allNodes { modify(id) { $0.name = fresh("z") } }
    for value in allValues { setName(fresh("w"), of: value) }
  }
}
