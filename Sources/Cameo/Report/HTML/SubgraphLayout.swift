import PassKit

/// A small layered drawing of a subgraph: chains are stacked into one box, inputs stand just above their first reader.
///
/// Layers by longest path, order by repeated barycentres, long edges through waypoints (Sugiyama's method, kept small: at most
/// some 48 nodes). Coordinates are in pixels.
struct SubgraphLayout {
  struct Row {
    let type: String
    /// Constant operands and the like, shown dimmed behind the type.
    let detail: String
    let tooltip: String
  }

  struct Box {
    /// Empty for a box that only stands for an input.
    var rows: [Row]
    /// The name of the input it stands for.
    var input: String?
    var x = 0.0
    var y = 0.0
    var width = 0.0
    var height = 0.0
  }

  struct Edge {
    let points: [(x: Double, y: Double)]
  }

  private(set) var boxes: [Box] = []
  private(set) var edges: [Edge] = []
  private(set) var width = 0.0
  private(set) var height = 0.0

  static let rowHeight = 21.0
  private static let layerGap = 26.0
  private static let boxGap = 18.0
  private static let margin = 8.0
  private static let tail = 16.0

  init(_ nodes: [SubgraphNode]) {
    let (chains, links, inputs, leaving) = SubgraphLayout.stack(nodes)
    for chain in chains {
      let rows = chain.map { SubgraphLayout.row(nodes[$0]) }
      let text = rows.map { SubgraphLayout.textWidth($0) }.max() ?? 0
      boxes.append(
        Box(rows: rows, input: nil, width: max(64, text + 22), height: Double(rows.count) * Self.rowHeight + 6))
    }
    var all = links
    for (name, readers) in inputs {
      let label = SubgraphLayout.elided(SubgraphLayout.lastPart(name), 22)
      all += readers.map { (boxes.count, $0) }
      boxes.append(Box(rows: [], input: name, width: Double(label.count) * 6.65 + 18, height: 20))
    }
    place(all, chains.count, leaving)
  }

  // MARK: Stacking

  /// Chains of nodes, links between chains, named inputs with the chains that read them, chains whose result leaves.
  private static func stack(
    _ nodes: [SubgraphNode]
  ) -> (chains: [[Int]], links: [(Int, Int)], inputs: [(String, [Int])], leaving: Set<Int>) {
    var producer: [String: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { producer[output] = index }
    }
    var sources = [[Int]](repeating: [], count: nodes.count)
    var external = [[String]](repeating: [], count: nodes.count)
    var readers = [Set<Int>](repeating: [], count: nodes.count)
    var isRead = Set<String>()
    for (index, node) in nodes.enumerated() {
      for (position, name) in node.inputs.enumerated() where !name.isEmpty && !node.constantInputs.contains(position) {
        if let from = producer[name], from != index {
          isRead.insert(name)
          if !sources[index].contains(from) { sources[index].append(from) }
          readers[from].insert(index)
        } else if producer[name] == nil, !external[index].contains(name) {
          external[index].append(name)
        }
      }
    }
    func leaves(_ index: Int) -> Bool { nodes[index].outputs.contains { !$0.isEmpty && !isRead.contains($0) } }
    // v continues the chain of its one source u where u has no other reader and v reads nothing else.
    var next = [Int?](repeating: nil, count: nodes.count)
    var continues = [Bool](repeating: false, count: nodes.count)
    for v in nodes.indices where sources[v].count == 1 && external[v].isEmpty {
      let u = sources[v][0]
      if readers[u].count == 1 && !leaves(u) {
        next[u] = v
        continues[v] = true
      }
    }
    var chains: [[Int]] = []
    var chainOf = [Int](repeating: -1, count: nodes.count)
    for head in nodes.indices where !continues[head] {
      var chain: [Int] = []
      var current: Int? = head
      while let index = current, chainOf[index] < 0 {
        chainOf[index] = chains.count
        chain.append(index)
        current = next[index]
      }
      if !chain.isEmpty { chains.append(chain) }
    }
    // A cycle cannot be (the graph is sorted), but a box must exist for every node.
    for index in nodes.indices where chainOf[index] < 0 {
      chainOf[index] = chains.count
      chains.append([index])
    }
    var links: [(Int, Int)] = []
    var inputs: [(String, [Int])] = []
    for index in nodes.indices {
      for from in sources[index] where chainOf[from] != chainOf[index] {
        if !links.contains(where: { $0 == (chainOf[from], chainOf[index]) }) {
          links.append((chainOf[from], chainOf[index]))
        }
      }
      for name in external[index] {
        if let known = inputs.firstIndex(where: { $0.0 == name }) {
          if !inputs[known].1.contains(chainOf[index]) { inputs[known].1.append(chainOf[index]) }
        } else {
          inputs.append((name, [chainOf[index]]))
        }
      }
    }
    return (chains, links, inputs, Set(nodes.indices.filter(leaves).map { chainOf[$0] }))
  }

  private static func row(_ node: SubgraphNode) -> Row {
    let constants = node.constantInputs.compactMap { $0 < node.inputs.count ? node.inputs[$0] : nil }.map(number)
    var detail = constants.prefix(2).joined(separator: ", ")
    if constants.count > 2 { detail += ", …" }
    if detail.isEmpty, let first = node.attributes.first(where: { $0.utf8.count <= 18 }) { detail = first }
    let tooltip = ([node.name.isEmpty ? node.outputs.first ?? "" : node.name] + node.attributes).filter { !$0.isEmpty }
    return Row(type: node.type, detail: elided(detail, 20), tooltip: tooltip.joined(separator: "\n"))
  }

  /// A constant's text: numbers shortened, of a tensor its dimensions (`float[16, 3, 3, 3]` as `16×3×3×3`).
  private static func number(_ text: String) -> String {
    if text.hasSuffix("]"), let open = text.firstIndex(of: "[") {
      let dims = text[text.index(after: open)...].dropLast().split(separator: ",").map { $0.filter { $0 != " " } }
      return dims.isEmpty ? String(text[..<open]) : dims.joined(separator: "×")
    }
    guard let value = Double(text) else { return text }
    if value == value.rounded(), abs(value) < 1e6 { return String(Int(value)) }
    return abs(value) >= 1e30 ? (value < 0 ? "-max" : "max") : Figures.short(value)
  }

  static func textWidth(_ row: Row) -> Double {
    Double(row.type.count) * 7.55 + (row.detail.isEmpty ? 0 : Double(row.detail.count) * 6.65 + 8)
  }

  static func elided(_ text: String, _ limit: Int) -> String {
    text.count <= limit ? text : String(text.prefix(limit - 1)) + "…"
  }

  /// The telling end of `/model/layers.0/self_attn/Softmax_output_0`.
  static func lastPart(_ name: String) -> String { name.split(separator: "/").last.map(String.init) ?? name }

  // MARK: Placing

  private mutating func place(_ links: [(Int, Int)], _ chainCount: Int, _ leaving: Set<Int>) {
    var layer = [Int](repeating: 0, count: boxes.count)
    // Longest path; links run from earlier to later chains or from inputs, so a few sweeps settle it.
    for _ in 0...boxes.count {
      var changed = false
      for (from, to) in links where layer[to] < layer[from] + 1 && layer[from] <= boxes.count {
        layer[to] = layer[from] + 1
        changed = true
      }
      if !changed { break }
    }
    for input in chainCount..<max(chainCount, boxes.count) {
      let first = links.filter { $0.0 == input }.map { layer[$0.1] }.min() ?? 1
      layer[input] = max(0, first - 1)
    }
    // Cells: boxes, and waypoints of long edges.
    struct Cell { var box: Int?; var width: Double; var x = 0.0 }
    var cells = boxes.map { Cell(box: nil, width: $0.width) }
    for index in cells.indices { cells[index].box = index }
    let depth = (layer.max() ?? 0) + 1
    var order = [[Int]](repeating: [], count: depth)
    for index in boxes.indices { order[layer[index]].append(index) }
    var paths: [[Int]] = []
    var up: [Int: [Int]] = [:]
    var down: [Int: [Int]] = [:]
    func connect(_ a: Int, _ b: Int) { down[a, default: []].append(b); up[b, default: []].append(a) }
    for (from, to) in links {
      var path = [from]
      if layer[to] - layer[from] > 1 {
        for between in (layer[from] + 1)..<layer[to] {
          cells.append(Cell(box: nil, width: 10))
          order[between].append(cells.count - 1)
          path.append(cells.count - 1)
        }
      }
      path.append(to)
      for (a, b) in zip(path, path.dropFirst()) { connect(a, b) }
      paths.append(path)
    }
    // Order within layers by the mean place of neighbours, down and up in turn.
    var position = [Int](repeating: 0, count: cells.count)
    func note(_ l: Int) { for (place, cell) in order[l].enumerated() { position[cell] = place } }
    for l in order.indices { note(l) }
    for sweep in 0..<8 {
      let isDown = sweep % 2 == 0
      for l in isDown ? Array(order.indices) : order.indices.reversed() {
        let neighbours = isDown ? up : down
        func key(_ cell: Int) -> Double {
          let near = neighbours[cell] ?? []
          return near.isEmpty
            ? Double(position[cell]) : near.map { Double(position[$0]) }.reduce(0, +) / Double(near.count)
        }
        order[l] = order[l].map { ($0, key($0)) }.sorted { ($0.1, position[$0.0]) < ($1.1, position[$1.0]) }.map(\.0)
        note(l)
      }
    }
    // x: pulled towards the mean of the neighbours, kept apart.
    for l in order.indices {
      var x = 0.0
      for cell in order[l] {
        cells[cell].x = x + cells[cell].width / 2
        x += cells[cell].width + Self.boxGap
      }
    }
    for sweep in 0..<24 {
      for l in sweep % 2 == 0 ? Array(order.indices) : order.indices.reversed() {
        let row = order[l]
        var wanted = row.map { cell -> Double in
          let near = (sweep < 16 ? (sweep % 2 == 0 ? up : down)[cell] : (up[cell] ?? []) + (down[cell] ?? [])) ?? []
          return near.isEmpty ? cells[cell].x : near.map { cells[$0].x }.reduce(0, +) / Double(near.count)
        }
        func apart(_ i: Int) -> Double { (cells[row[i]].width + cells[row[i + 1]].width) / 2 + Self.boxGap }
        // Push overlaps apart to both sides alike.
        for _ in 0..<12 {
          var moved = false
          for i in 0..<max(0, row.count - 1) where wanted[i + 1] - wanted[i] < apart(i) - 0.01 {
            let missing = (apart(i) - (wanted[i + 1] - wanted[i])) / 2
            wanted[i] -= missing
            wanted[i + 1] += missing
            moved = true
          }
          if !moved { break }
        }
        for i in 0..<max(0, row.count - 1) { wanted[i + 1] = max(wanted[i + 1], wanted[i] + apart(i)) }
        for (i, cell) in row.enumerated() { cells[cell].x = wanted[i] }
      }
    }
    finish(cells.map(\.x), cells.map(\.width), order, paths, chainCount, leaving)
  }

  /// y coordinates, shifts everything to the margin, routes the edges.
  private mutating func finish(
    _ xs: [Double], _ widths: [Double], _ order: [[Int]], _ paths: [[Int]], _ chainCount: Int, _ leaving: Set<Int>
  ) {
    let left = zip(xs, widths).map { $0 - $1 / 2 }.min() ?? 0
    let right = zip(xs, widths).map { $0 + $1 / 2 }.max() ?? 0
    width = right - left + 2 * Self.margin
    var y = Self.margin
    var tops = [Double](repeating: 0, count: xs.count)
    var bottoms = [Double](repeating: 0, count: xs.count)
    for row in order {
      let tallest = row.map { $0 < boxes.count ? boxes[$0].height : 0 }.max() ?? 0
      for cell in row {
        // Inputs hang at the bottom of their layer, near their reader; waypoints cross the layer straight.
        let own = cell < boxes.count ? boxes[cell].height : tallest
        let isInput = cell < boxes.count && cell >= chainCount
        tops[cell] = isInput ? y + tallest - own : y
        bottoms[cell] = tops[cell] + own
      }
      y += tallest + Self.layerGap
    }
    for index in boxes.indices {
      boxes[index].x = xs[index] - widths[index] / 2 - left + Self.margin
      boxes[index].y = tops[index]
    }
    func x(_ cell: Int) -> Double { xs[cell] - left + Self.margin }
    for path in paths {
      guard let from = path.first, let to = path.last else { continue }
      var points = [(x: x(from), y: bottoms[from])]
      for cell in path.dropFirst().dropLast() {
        points += [(x: x(cell), y: tops[cell]), (x: x(cell), y: bottoms[cell])]
      }
      // Readers of several values get them spread along their top.
      let incoming = paths.filter { $0.last == to }.map { $0[$0.count - 2] }.sorted { xs[$0] < xs[$1] }
      let place = incoming.firstIndex(of: path[path.count - 2]) ?? 0
      let spread = min(18.0, widths[to] / Double(incoming.count + 1))
      points.append((x: x(to) + (Double(place) - Double(incoming.count - 1) / 2) * spread, y: tops[to] - 1))
      edges.append(Edge(points: points))
    }
    for chain in leaving.sorted() {
      edges.append(Edge(points: [(x: x(chain), y: bottoms[chain]), (x: x(chain), y: bottoms[chain] + Self.tail)]))
    }
    height = max(y - Self.layerGap, (leaving.map { bottoms[$0] }.max() ?? 0) + Self.tail) + Self.margin
  }
}
