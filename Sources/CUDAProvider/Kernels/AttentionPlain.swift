import InferenceRuntime
import Tensors

extension AttentionAssembly {
  /// Any form of the operator by attention_plain, which reads past and new keys where they lie.
  func plain(_ q: AttentionNode.Heads, _ k: AttentionNode.Heads) throws -> Launch {
    let rows = node.batch * node.q.count * node.q.length
    let bytes = (node.q.size + node.v.size) * 4
    guard rows < 1 << 31, bytes <= request.context.attention.sharedBytes - 2048 else {
      throw Refusal("heads of \(node.q.size) and \(node.v.size) elements, or more than 2^31 rows")
    }
    let function = try request.function(
      "attention_plain", in: ["elements.cuh", "attention_plain.cu"], sharedBytes: bytes)
    let none = Launch.Argument.int64(0)
    return Launch(
      function, grid: LaunchSize(rows), block: LaunchSize(256), sharedBytes: bytes,
      [
        q.place, k.place, node.v.place, node.result.place, node.mask?.place ?? none,
        node.pastKey?.place ?? none, node.pastValue?.place ?? none, node.lengths ?? none,
        node.scores == nil ? none : .output(3), .bytes(plainBytes(q, k), alignment: 8),
      ])
  }

  /// PlainParams of attention_plain.cu behind its addresses.
  private func plainBytes(_ q: AttentionNode.Heads, _ k: AttentionNode.Heads) -> [UInt8] {
    let nowhere = AttentionProblem.Strides(batch: 0, head: 0, row: 0)
    var bytes = PackedBytes()
    let strides =
      [q, k, node.v, node.result].map(\.strides)
      + [node.pastKey?.strides ?? nowhere, node.pastValue?.strides ?? nowhere, node.mask?.strides ?? nowhere]
    for item in strides { for stride in [item.batch, item.head, item.row] { bytes.append(Int64(stride)) } }
    let unlimited = 1 << 30
    let numbers = [
      node.q.count, node.group, node.q.length, node.total, node.past, node.mask?.covered ?? node.total, node.q.size,
      node.v.size, node.left ?? unlimited, node.right ?? unlimited, node.scores?.mode ?? 0,
    ]
    let types = [
      q.type, k.type, node.v.type, node.result.type, node.mask?.type ?? .float,
      node.pastKey?.type ?? .float, node.pastValue?.type ?? .float, node.scores?.type ?? .float,
    ]
    for number in numbers + types.map({ AttentionProblem.Element($0)?.rawValue ?? 3 }) { bytes.append(Int32(number)) }
    bytes.append(node.scale)
    bytes.append(node.softcap)
    bytes.append(Int32(0))  // up to a multiple of eight
    return bytes.bytes
  }
}
