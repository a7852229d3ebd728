import Tensors

/// The kernels of a program for one layout, as text. Extents and strides are arguments: shapes of one pattern share the text.
struct ElementwiseSource {
  let program: ElementwiseProgram
  let layout: ElementwiseLayout

  private var inputs: Range<Int> { program.inputs.indices }
  private var results: Range<Int> { program.results.indices }

  /// Constants in the order in which they lie: wide ones first.
  var scalarOrder: [Int] {
    program.scalars.indices.filter { program.scalars[$0].kind.bytes == 8 }
      + program.scalars.indices.filter { program.scalars[$0].kind.bytes == 4 }
  }

  /// Strides that are arguments: (input, axis).
  var strideOrder: [(input: Int, axis: Int)] {
    inputs.filter { [.row, .same, .each].contains(layout.accesses[$0]) }.flatMap { input in
      layout.dims.indices.filter { layout.strides[input][$0] > 1 }.map { (input, $0) }
    }
  }

  /// The axes whose extents are arguments: all but the slowest.
  var divided: Range<Int> { layout.needsCoordinates ? 1..<layout.dims.count : 0..<0 }

  /// `extra`: further members of the arguments, behind all others.
  func arguments(_ extra: [String] = []) -> String {
    var members = inputs.map { "const \(program.inputs[$0].elementStorage) *x\($0)" }
    members += results.map { "\(program.results[$0].type.elementStorage) *y\($0)" }
    members += scalarOrder.map {
      "\(program.scalars[$0].kind == .bool ? "int" : program.scalars[$0].kind.rawValue) c\($0)"
    }
    members.append("u32 count")
    members += divided.map { "Division d\($0)" }
    members += strideOrder.map { "u32 s\($0.input)_\($0.axis)" }
    return "struct Arguments {\n" + (members + extra).map { "    \($0);\n" }.joined() + "};\n"
  }

  /// The place of an input's element, from the coordinates `k0`, `k1`, ...
  private func place(_ input: Int) -> String {
    let terms = layout.dims.indices.compactMap { axis -> String? in
      switch layout.strides[input][axis] {
      case 0: nil
      case 1: "k\(axis)"
      default: "k\(axis) * a.s\(input)_\(axis)"
      }
    }
    return terms.isEmpty ? "0" : terms.joined(separator: " + ")
  }

  private func coordinates(_ index: String) -> [String] {
    ["u32 k0 = \(index);"] + divided.reversed().map { "u32 k\($0) = a.d\($0).split(k0);" }
  }

  /// `evaluate<PARTLY>(a, i, y0)`: the results at `i` and the next ones.
  var evaluate: String {
    let once = inputs.filter { layout.accesses[$0] == .row || layout.accesses[$0] == .same }
    let each = inputs.filter { layout.accesses[$0] == .each }
    var lines = once.isEmpty ? [] : coordinates("i")
    for input in inputs {
      let (type, array) = (program.inputs[input].elementStorage, "x\(input)")
      switch layout.accesses[input] {
      case .whole:
        lines.append("\(type) \(array)[WIDTH];")
        lines.append("fetch<WIDTH, PARTLY>(\(array), a.\(array) + i, a.count - i);")
      case .row:
        lines.append("\(type) \(array)[WIDTH];")
        lines.append("fetch<WIDTH, false>(\(array), a.\(array) + (\(place(input))), WIDTH);")
      case .same: lines.append("\(type) \(array) = a.\(array)[\(place(input))];")
      case .one: lines.append("\(type) \(array) = a.\(array)[0];")
      case .each: break
      }
    }
    lines.append("#pragma unroll")
    lines.append("for (int j = 0; j < WIDTH; j++) {")
    if !each.isEmpty {
      lines += coordinates("PARTLY ? min(i + j, a.count - 1) : i + j").map { "    \($0)" }
    }
    let values = inputs.map { input -> String in
      let text =
        switch layout.accesses[input] {
        case .whole, .row: "x\(input)[j]"
        case .one, .same: "x\(input)"
        case .each: "a.x\(input)[\(place(input))]"
        }
      return program.inputs[input] == .bool ? "\(text) != 0" : "widen(\(text))"
    }
    let constants = program.scalars.indices.map { program.scalars[$0].kind == .bool ? "a.c\($0) != 0" : "a.c\($0)" }
    let call = values + constants + results.map { "y\($0)[j]" }
    lines.append("    body(\(call.joined(separator: ", ")));")
    lines.append("}")
    let parameters = results.map { ", \(program.results[$0].value.kind.rawValue) (&y\($0))[WIDTH]" }.joined()
    return "template <bool PARTLY>\nDEVICE void evaluate(const Arguments &a, u32 i\(parameters)) {\n"
      + lines.map { $0.hasPrefix("#") ? "\($0)\n" : "    \($0)\n" }.joined() + "}\n"
  }

  /// The kernel `elementwise`: block of any size, grid of as many blocks as take all elements; a thread takes `vectors` times WIDTH.
  func kernel(vectors: Int) -> String {
    let arrays = results.map { "\(program.results[$0].value.kind.rawValue) y\($0)[VECTORS][WIDTH];" }
    let rows = results.map { ", y\($0)[u]" }.joined()
    func puts(_ partly: Bool, _ index: String) -> String {
      results.map { "put<WIDTH, \(partly)>(a.y\($0) + \(index), y\($0)[u], a.count - (\(index)));" }
        .joined(separator: "\n            ")
    }
    return """
      #define WIDTH \(layout.width)
      #define VECTORS \(vectors)
      \(program.function(named: "body"))
      \(arguments())
      \(evaluate)
      extern "C" __global__ void __launch_bounds__(256) elementwise(const __grid_constant__ Arguments a) {
          wait_for_others();
          const u32 step = blockDim.x * WIDTH;
          const u32 i = blockIdx.x * (VECTORS * step) + threadIdx.x * WIDTH;
          \(arrays.joined(separator: "\n    "))
          if ((blockIdx.x + 1) * (VECTORS * step) <= a.count) {
      #pragma unroll
              for (int u = 0; u < VECTORS; u++) evaluate<false>(a, i + u * step\(rows));
      #pragma unroll
              for (int u = 0; u < VECTORS; u++) {
                  \(puts(false, "i + u * step"))
              }
          } else {
      #pragma unroll
              for (int u = 0; u < VECTORS; u++) {
                  if (i + u * step >= a.count) break;
                  evaluate<true>(a, i + u * step\(rows));
                  \(puts(true, "i + u * step"))
              }
          }
      }

      """
  }
}
