import GraphIR
import Operators
import PassKit
import Tensors

/// Reshape, Transpose and Reshape that move blocks between channels and space become DepthToSpace or SpaceToDepth.
///
/// Before: `Reshape(Transpose<perm = [0,1,4,2,5,3]>(Reshape(x[N,C,H,W], {N,C/4,2,2,H,W})), {N,C/4,2*H,2*W})` (PyTorch's pixel shuffle).
/// After: `DepthToSpace<blocksize = 2, mode = "CRD">(x)`.
public enum FuseDepthToSpace {
  public static let pass = RewritePass(
    "FuseDepthToSpace", level: 2, summary: "turns reshapes and a Transpose of blocks into DepthToSpace or SpaceToDepth",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "FuseDepthToSpace"
    let anchors: Set<OperatorName> = [OperatorName("Reshape")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let moved = graph[id].input(0), let transpose = graph.producer(moved),
        let permutation = try Movement.permutation(transpose, context), permutation.count == 6,
        let cut = graph[transpose].input(0), let first = graph.producer(cut), graph[first].is("Reshape"),
        let data = graph[first].input(0), let from = context.shape(data), let middle = context.shape(cut),
        let to = context.shape(output), from.count == 4, to.count == 4, middle[0] == from[0], to[0] == from[0],
        graph[transpose].region == graph[id].region, graph[first].region == graph[id].region
      else { return nil }
      guard let form = form(permutation), let block = form.block(middle) else { return nil }
      guard form.agrees(from, middle, to, block) else {
        throw Refusal("the reshapes around the Transpose do not move blocks of \(block) times \(block)", at: first)
      }
      if let type = context.dataType(data), type != .float, type != .double {
        throw Refusal("runtimes have no \(form.type) of \(type)", at: id)
      }
      for inner in [cut, moved] where !graph.hasSingleUse(inner) {
        throw Refusal("what stands between the reshapes is also read elsewhere", at: graph.producer(inner))
      }
      var change = GraphChange(rule: name, covers: [first, transpose, id], isFusion: true)
      var attributes = [NamedAttribute("blocksize", .int(Int64(block)))]
      if let mode = form.mode { attributes.append(NamedAttribute("mode", .string(mode))) }
      change.replace(output, with: change.node(form.type, [.existing(data)], attributes))
      return change
    }

    private func form(_ permutation: [Int]) -> Form? { Form.all.first { $0.permutation == permutation } }
  }

  /// One of the three movements: which axes of the six are the block's rows and columns, channels, height and width.
  struct Form {
    let type: String
    let mode: String?
    let permutation: [Int]
    let rows: Int
    let columns: Int
    let channels: Int
    let height: Int
    let width: Int

    static let all = [
      Form(
        type: "DepthToSpace", mode: "DCR", permutation: [0, 3, 4, 1, 5, 2], rows: 1, columns: 2, channels: 3, height: 4,
        width: 5),
      Form(
        type: "DepthToSpace", mode: "CRD", permutation: [0, 1, 4, 2, 5, 3], rows: 2, columns: 3, channels: 1, height: 4,
        width: 5),
      Form(
        type: "SpaceToDepth", mode: nil, permutation: [0, 3, 5, 1, 2, 4], rows: 3, columns: 5, channels: 1, height: 2,
        width: 4),
    ]

    func block(_ middle: [Dim]) -> Int? {
      guard let block = middle[rows].value, block > 1, middle[columns].value == block else { return nil }
      return block
    }

    func agrees(_ from: [Dim], _ middle: [Dim], _ to: [Dim], _ block: Int) -> Bool {
      let size = Dim(block)
      let (c, h, w) = (middle[channels], middle[height], middle[width])
      if type == "DepthToSpace" {
        return from[1] == c * size * size && from[2] == h && from[3] == w && to[1] == c && to[2] == h * size
          && to[3] == w * size
      }
      return from[1] == c && from[2] == h * size && from[3] == w * size && to[1] == c * size * size && to[2] == h
        && to[3] == w
    }
  }
}
