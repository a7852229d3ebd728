import Tensors

/// Which attention kernel does a call, and how it is launched; Sources/CCUDA/Kernels/README.md has the tables.
struct AttentionLaunch: Hashable {
  var kernels: AttentionKernels
  var macros: [String: Int]
  /// "sm_90a"; nil: the device's own.
  var architecture: String?
  var grid: LaunchSize
  var threads: Int
  var sharedBytes: Int
  /// attention_sm90: heads that are worked on side by side.
  var section = 1
  /// attention_sm90: extents of a swizzled column and of the boxes of Q, of K and V, and of O.
  var boxes: Boxes?
  /// attention_decode: parts of the keys, and keys of each.
  var splits = 1
  var splitKeys = 0
  /// Of sums that attention_decode leaves to attention_combine.
  var partialBytes = 0

  struct Boxes: Hashable {
    var width: Int
    var queries: Int
    var keys: Int
    var results: Int
  }

  var usesCounters: Bool { macros["DYNAMIC"] == 1 }

  /// nil where none of them takes the call: heads over 256, or a grid or tile that is too large.
  static func choose(_ problem: AttentionProblem, _ device: AttentionDevice) -> AttentionLaunch? {
    guard problem.keys > 0, let head = AttentionProblem.padded(problem.size),
      let headV = AttentionProblem.padded(problem.valueSize)
    else { return nil }
    let rows = problem.group * problem.queries
    if rows <= 16 || (rows <= 64 && problem.keys > 512), let launch = decode(problem, device, head, headV) {
      return launch
    }
    return hopper(problem, device, head, headV) ?? portable(problem, device, head, headV)
  }
}

func ceilDivide(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
func roundUp(_ a: Int, _ b: Int) -> Int { ceilDivide(a, b) * b }
