import CPUProvider
import GraphIR
import InferenceRuntime
import MallocCounter
import Tensors
import Testing

@Suite struct AllocationTests {
  /// Convolution, pooling, element-wise work, views, a concatenation, a product, a softmax and a branch.
  static let text = """
    g (float[1, 3, 16, 16] x, float[8, 3, 3, 3] w, float[8] b, float[512, 10] m, bool c) => (float[1, 10] y) <int64[2] flat = {1, 512}> {
      a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
      r = Relu (a)
      p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
      n = Neg (p)
      s = Sigmoid (p)
      t = Add (n, s)
      f = Reshape (t, flat)
      z = MatMul (f, m)
      q = If (c) <
        then_branch = a () => (float[1, 10] u) { u = Neg (z) },
        else_branch = b () => (float[1, 10] v) { v = Abs (z) }>
      y = Softmax <axis = 1> (q)
    }
    """

  @Test(.enabled(if: malloc_counter_counts(), "no malloc counter under a sanitizer"), arguments: [1, 2])
  func runsOfAFixedShapeAllocateNothing(_ threads: Int) throws {
    var options = SessionOptions()
    options.threads = threads
    let session = try Session(
      Model(graph: try ONNXText.parseGraph(Self.text)), providers: [CPUProvider()], options: options)
    let shapes = ["x": [1, 3, 16, 16], "w": [8, 3, 3, 3], "b": [8], "m": [512, 10], "c": []]
    let binding = try Binding(session, inputs: shapes)
    for (name, shape) in shapes {
      let tensor =
        name == "c"
        ? try Tensor.of([Int64(1)], .bool, shape: [])
        : try Tensor.make(.float, shape, as: Float.self) { out in
          for i in 0..<shape.reduce(1, *) { out[i] = Float(i % 13) - 6 }
        }
      try binding.bind(input: name, to: tensor)
    }
    let y = try binding.bindOutput("y")
    #expect(binding.plan.isAllocationFree)
    try binding.run()
    let before = malloc_counter_thread()
    for _ in 0..<5 { try binding.run() }
    #expect(malloc_counter_thread() == before)
    #expect(abs(try y.elements(as: Float.self).reduce(0, +) - 1) < 1e-5)
    // The counter does count.
    _ = try Tensor.ints([1, 2, 3])
    #expect(malloc_counter_thread() > before)
  }
}
