import InferenceRuntime
import Tensors

/// The reduction over the last axes that may end a program: how a row is joined, in float32.
struct ElementwiseReduction: Sendable {
  /// What a sum or extreme begins with, what is added of an element, how two parts are joined, what becomes of the whole (`n` elements).
  let start: String
  let map: String
  let join: String
  let finish: String

  static let known: [String: ElementwiseReduction] = [
    "ReduceSum": .init(start: "0.f", map: "x", join: "a + b", finish: "x"),
    "ReduceMean": .init(start: "0.f", map: "x", join: "a + b", finish: "x / n"),
    "ReduceMax": .init(start: "-INFINITY_F", map: "x", join: "e_max(a, b)", finish: "x"),
    "ReduceMin": .init(start: "INFINITY_F", map: "x", join: "e_min(a, b)", finish: "x"),
    "ReduceL1": .init(start: "0.f", map: "fabsf(x)", join: "a + b", finish: "x"),
    "ReduceL2": .init(start: "0.f", map: "x * x", join: "a + b", finish: "sqrtf(x)"),
    "ReduceSumSquare": .init(start: "0.f", map: "x * x", join: "a + b", finish: "x"),
  ]

  /// How rows are shared out.
  struct Plan: Sendable {
    let rows: Int
    let length: Int
    /// Threads of a row: a power of two up to 256, the block's size.
    let threads: Int
    /// Parts of a row, and the elements of each.
    let parts: Int
    let chunk: Int

    init(rows: Int, length: Int, width: Int, multiprocessors: Int) {
      (self.rows, self.length) = (rows, length)
      var threads = 1
      while threads < 256 && threads * width * 2 < length { threads *= 2 }
      // Many short rows keep all threads busy by themselves.
      while threads > 32 && rows * threads > multiprocessors * 2048 * 4 && threads * width * 8 > length { threads /= 2 }
      self.threads = threads
      let blocks = (rows * threads + 255) / 256
      let wanted = min((multiprocessors * 4 + blocks - 1) / blocks, (length + 256 * width * 8 - 1) / (256 * width * 8))
      let parts = threads == 256 ? min(max(1, wanted), 256) : 1
      let chunk = ((length + parts - 1) / parts + width - 1) / width * width
      self.chunk = chunk
      self.parts = (length + chunk - 1) / chunk
    }
  }

  /// The kernels `reduce_rows` (grid: blocks of rows, parts) and `finish_rows` (a warp a row), behind the program's text.
  func kernels(_ source: ElementwiseSource, threads: Int) -> String {
    let type = source.program.results[0].type.elementStorage
    let members = ["\(type) *out", "float *partial", "u32 rows", "u32 length", "u32 chunk", "u32 parts"]
    return """
      #define WIDTH \(source.layout.width)
      #define THREADS \(threads)
      \(source.program.function(named: "body"))
      \(source.arguments(members))
      \(source.evaluate)
      DEVICE float join(float a, float b) { return \(join); }
      DEVICE float finish(float x, float n) { return \(finish); }

      /// Of `SIZE` threads side by side.
      template <int SIZE>
      DEVICE float joined(float x) {
          for (int i = SIZE / 2; i > 0; i /= 2) x = join(x, __shfl_xor_sync(0xffffffffu, x, i));
          return x;
      }

      extern "C" __global__ void __launch_bounds__(256) reduce_rows(const __grid_constant__ Arguments a) {
          wait_for_others();
          const u32 row = blockIdx.x * (256 / THREADS) + threadIdx.x / THREADS, lane = threadIdx.x % THREADS;
          float total = \(start);
          if (row < a.rows) {
              const u32 begin = blockIdx.y * a.chunk, end = min(begin + a.chunk, a.length);
      #pragma unroll 4
              for (u32 k = begin + lane * WIDTH; k < end; k += THREADS * WIDTH) {
                  float y[WIDTH];
                  evaluate<false>(a, row * a.length + k, y);
      #pragma unroll
                  for (int j = 0; j < WIDTH; j++) {
                      float x = y[j];
                      total = join(total, \(map));
                  }
              }
          }
          total = joined<(THREADS < 32 ? THREADS : 32)>(total);
          if (THREADS > 32) {
              __shared__ float parts[8];
              if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = total;
              __syncthreads();
              if (lane == 0) {
                  for (int i = 1; i < THREADS / 32; i++) total = join(total, parts[threadIdx.x / 32 + i]);
              }
          }
          if (lane != 0 || row >= a.rows) return;
          if (a.parts > 1) {
              a.partial[row * a.parts + blockIdx.y] = total;
          } else {
              a.out[row] = Stored<\(type)>::of(finish(total, a.length));
          }
      }

      extern "C" __global__ void __launch_bounds__(256) finish_rows(const __grid_constant__ Arguments a) {
          wait_for_others();
          const u32 row = blockIdx.x * 8 + threadIdx.x / 32;
          if (row >= a.rows) return;
          float total = \(start);
          for (u32 k = threadIdx.x % 32; k < a.parts; k += 32) total = join(total, a.partial[row * a.parts + k]);
          total = joined<32>(total);
          if (threadIdx.x % 32 == 0) a.out[row] = Stored<\(type)>::of(finish(total, a.length));
      }

      """
  }
}
