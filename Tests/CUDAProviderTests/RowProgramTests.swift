import Foundation
import Tensors
import Testing

@testable import CUDAProvider

/// Without a device: that the programs of normalizations, reductions, pools and samplers compile, in forms that their makers ask for.
@Suite(.enabled(if: Toolkit.isThere, "NVRTC is not there: Tools/setup models installs it"))
struct RowProgramTests {
  /// A file, its kernels, and macros.
  static let forms = """
    softmax softmax_rows X=10 Y=10 MODE=0 FORM=0 VEC=8 PACKS=4 WIDTH=32
    softmax softmax_rows X=1 Y=16 MODE=0 FORM=0 VEC=1 PACKS=32 WIDTH=0
    softmax softmax_rows X=1 Y=1 MODE=0 FORM=0 VEC=2 PACKS=1 WIDTH=1
    softmax softmax_strided X=16 Y=1 MODE=0 FORM=2 VEC=4
    softmax softmax_long X=1 Y=10 MODE=0 FORM=1 VEC=4
    softmax softmax_rows X=10 Y=10 MODE=1 FORM=0 VEC=8 PACKS=4 WIDTH=32
    softmax softmax_strided X=16 Y=1 MODE=1 FORM=2 VEC=4
    softmax softmax_long X=1 Y=10 MODE=1 FORM=1 VEC=4
    softmax softmax_rows X=10 Y=10 MODE=2 FORM=0 VEC=8 PACKS=4 WIDTH=32
    softmax softmax_rows X=1 Y=16 MODE=2 FORM=0 VEC=1 PACKS=32 WIDTH=0
    softmax hardmax_strided X=16 Y=1 MODE=2 FORM=2 VEC=4
    softmax softmax_rows X=10 Y=10 MODE=3 FORM=0 VEC=8 PACKS=4 WIDTH=32
    softmax softmax_strided X=16 Y=1 MODE=3 FORM=2 VEC=4
    softmax softmax_rows X=10 Y=10 MODE=4 FORM=0 VEC=8 PACKS=4 WIDTH=32
    softmax softmax_long X=1 Y=10 MODE=4 FORM=1 VEC=4
    norm norm_rows X=10 Y=10 SCALE=1 BIAS=1 SKIP=0 SHIFT=0 SUM=0 CHANNELS=0 SEGMENTS=0 OP=0 FORM=0 VEC=8 PACKS=3 WIDTH=32
    norm norm_moments,norm_apply X=10 Y=10 SCALE=1 BIAS=1 SKIP=0 SHIFT=0 SUM=0 CHANNELS=0 SEGMENTS=0 OP=0 FORM=1 VEC=4
    norm norm_rows X=10 Y=1 SCALE=10 BIAS=0 SKIP=0 SHIFT=0 SUM=0 CHANNELS=0 SEGMENTS=0 OP=1 FORM=0 VEC=8 PACKS=3 WIDTH=32
    norm norm_moments,norm_apply X=10 Y=1 SCALE=10 BIAS=0 SKIP=0 SHIFT=0 SUM=0 CHANNELS=0 SEGMENTS=0 OP=1 FORM=1 VEC=4
    norm norm_rows X=10 Y=10 SCALE=1 BIAS=10 SKIP=0 SHIFT=0 SUM=0 CHANNELS=1 SEGMENTS=0 OP=0 FORM=0 VEC=8 PACKS=3 WIDTH=32
    norm norm_moments,norm_apply X=10 Y=10 SCALE=1 BIAS=10 SKIP=0 SHIFT=0 SUM=0 CHANNELS=1 SEGMENTS=0 OP=0 FORM=1 VEC=4
    norm norm_rows X=1 Y=10 SCALE=0 BIAS=0 SKIP=0 SHIFT=0 SUM=0 CHANNELS=0 SEGMENTS=1 OP=2 FORM=0 VEC=8 PACKS=3 WIDTH=32
    norm norm_moments,norm_apply X=1 Y=10 SCALE=0 BIAS=0 SKIP=0 SHIFT=0 SUM=0 CHANNELS=0 SEGMENTS=1 OP=2 FORM=1 VEC=4
    norm norm_rows X=10 Y=10 SCALE=1 BIAS=0 SKIP=10 SHIFT=1 SUM=1 CHANNELS=0 SEGMENTS=0 OP=1 FORM=0 VEC=8 PACKS=1 WIDTH=0
    channels batch_norm X=10 Y=1 SCALE=1 STATISTICS=10 VEC=8
    channels local_response X=1 Y=16 SCALE=0 STATISTICS=0 VEC=4
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=0 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=7 Y=7 OP=0 FORM=1 VEC=2
    reduce reduce_strided,reduce_parts X=2 Y=2 OP=0 FORM=2 VEC=2
    reduce reduce_rows,reduce_parts X=11 Y=11 OP=0 FORM=0 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=1 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=7 Y=7 OP=1 FORM=1 VEC=2
    reduce reduce_strided,reduce_parts X=2 Y=2 OP=1 FORM=2 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=2 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=7 Y=7 OP=2 FORM=1 VEC=2
    reduce reduce_strided,reduce_parts X=2 Y=2 OP=2 FORM=2 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=3 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=7 Y=7 OP=3 FORM=1 VEC=2
    reduce reduce_strided,reduce_parts X=2 Y=2 OP=3 FORM=2 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=4 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=7 Y=7 OP=4 FORM=1 VEC=2
    reduce reduce_strided,reduce_parts X=2 Y=2 OP=4 FORM=2 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=5 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=7 Y=7 OP=5 FORM=1 VEC=2
    reduce reduce_strided,reduce_parts X=2 Y=2 OP=5 FORM=2 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=6 FORM=0 VEC=8
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=7 FORM=0 VEC=8
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=8 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=1 Y=1 OP=8 FORM=1 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=9 FORM=0 VEC=8
    reduce reduce_columns,reduce_parts X=7 Y=7 OP=9 FORM=1 VEC=2
    reduce reduce_strided,reduce_parts X=2 Y=2 OP=9 FORM=2 VEC=2
    reduce reduce_rows,reduce_parts X=10 Y=10 OP=10 FORM=0 VEC=8
    order arg_rows,arg_strided X=10 Y=1 KIND=0
    order arg_rows X=10 Y=1 KIND=1
    order top_k X=10 Y=1 KIND=2
    order cumulate_rows,cumulate_strided X=10 Y=1 KIND=3
    order cumulate_rows X=10 Y=1 KIND=4
    order arg_rows,arg_strided X=7 Y=7 KIND=0
    order arg_rows X=7 Y=7 KIND=1
    order top_k X=7 Y=7 KIND=2
    order cumulate_rows,cumulate_strided X=7 Y=7 KIND=3
    order cumulate_rows X=7 Y=7 KIND=4
    order top_k X=2 Y=2 KIND=2
    order arg_rows,arg_strided X=11 Y=11 KIND=0
    order arg_rows X=11 Y=11 KIND=1
    order top_k X=11 Y=11 KIND=2
    order cumulate_rows,cumulate_strided X=11 Y=11 KIND=3
    order top_k X=1 Y=1 KIND=2
    pool pool X=10 Y=10 KIND=0 LAST=1 VEC=8
    pool pool X=1 Y=16 KIND=0 LAST=0 VEC=1
    pool pool X=10 Y=10 KIND=1 LAST=1 VEC=8
    pool pool X=1 Y=16 KIND=1 LAST=0 VEC=1
    pool pool X=10 Y=10 KIND=2 LAST=1 VEC=8
    pool pool X=1 Y=16 KIND=2 LAST=0 VEC=1
    pool pool X=2 Y=2 KIND=0 LAST=1 VEC=8
    resize resize X=10 Y=10 NEAREST=0 VEC=8
    resize resize X=2 Y=2 NEAREST=1 VEC=16
    sample grid_sample X=10 Y=1 GRID=1 KIND=0
    sample roi_align X=1 Y=1 GRID=10 KIND=1
    rotary rotary X=10 Y=10 ANGLES=1 VEC=8 INTERLEAVED=0
    rotary rotary X=1 Y=16 ANGLES=10 VEC=4 INTERLEAVED=1
    rotary tensor_scatter ANGLES=0 VEC=16
    recurrent recurrent_project,recurrent_steps X=10 W=10 B=1 S=0 Y=10 YH=1 YC=1 VEC=8 CELL=0
    recurrent recurrent_project,recurrent_steps X=10 W=10 B=1 S=1 Y=10 YH=1 YC=1 VEC=8 CELL=1
    recurrent recurrent_project,recurrent_steps X=10 W=10 B=1 S=0 Y=10 YH=1 YC=1 VEC=8 CELL=2
    """.split(separator: "\n").map(String.init)

  /// Nothing in them is of one architecture alone: every other form goes for the older one.
  @Test(arguments: zip(forms, forms.indices)) func compiles(_ form: String, _ index: Int) throws {
    let words = form.split(separator: " ").map(String.init)
    let files = try ["elements.cuh", "rows.cuh", words[0] + ".cu"].map { try KernelSource.embedded($0) }
    var macros: [String: Int] = [:]
    for word in words.dropFirst(2) {
      let parts = word.split(separator: "=")
      macros[String(parts[0])] = Int(parts[1])
    }
    let compiler = KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: nil)
    let architecture = index % 2 == 0 ? "sm_80" : "sm_90a"
    let kernel = try compiler.compile(KernelProgram(files, macros: macros, architecture: architecture))
    for name in words[1].split(separator: ",") {
      #expect(Data(kernel.image).range(of: Data((name + "\0").utf8)) != nil, "\(name)")
    }
  }

  @Test func divisorsDivide() {
    for divisor in [1, 2, 3, 5, 7, 31, 49, 196, 1000, 3136, 65535, 65537, 1 << 30, (1 << 31) - 1] {
      guard case .bytes(let bytes, _) = Launch.Argument.divisor(divisor) else { return }
      let words = bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
      for x in [0, 1, 2, divisor - 1, divisor, divisor + 1, 7 * divisor - 1, 12345, 1 << 30, (1 << 31) - 1]
      where x >= 0 && x < 1 << 31 {
        let high = UInt32(truncatingIfNeeded: (UInt64(x) * UInt64(words[1])) >> 32)
        #expect(Int((high &+ UInt32(x)) >> words[2]) == x / divisor, "\(x) / \(divisor)")
      }
    }
  }

  @Test func everyRowIsCovered() throws {
    for n in [1, 3, 8, 31, 64, 96, 100, 768, 1000, 1024, 4096, 5120, 32768] {
      for vector in [1, 2, 4, 8] where n % vector == 0 {
        for rows in [1, 7, 1000, 100_000] {
          let form = try #require(RowForm(n, rows: rows, vector: vector, multiprocessors: 132))
          #expect(form.threads * form.packs * vector >= n)
          #expect(form.packs * vector <= 32)
          #expect(form.threads * form.rowsPerBlock % 32 == 0 && form.threads * form.rowsPerBlock <= 1024)
          #expect(form.width == 0 || form.width == form.threads)
          #expect(form.grid(rows: rows).x * form.rowsPerBlock >= rows)
        }
      }
    }
    #expect(RowForm(40000, rows: 1, vector: 8, multiprocessors: 132) == nil)
  }
}
