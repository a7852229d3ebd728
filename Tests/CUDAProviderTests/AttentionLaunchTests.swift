import Tensors
import Testing

@testable import CUDAProvider

/// Which attention kernel is launched how: the tables of Sources/CCUDA/Kernels/README.md for one H200.
struct AttentionLaunchTests {
  static let device = AttentionDevice(
    capability: CUDAVersion(9, 0), multiprocessors: 132, sharedBytes: 232448, cacheBytes: 60 << 20)

  /// Contiguous operands [batch, heads, rows, size], or [batch, rows, heads * size].
  static func problem(
    _ element: AttentionProblem.Element = .bfloat16, batch: Int = 1, heads: Int = 2, group: Int = 1, queries: Int,
    keys: Int, size: Int, valueSize: Int? = nil, isFlat: Bool = false
  ) -> AttentionProblem {
    let valueSize = valueSize ?? size
    func strides(_ heads: Int, _ rows: Int, _ size: Int) -> AttentionProblem.Strides {
      isFlat
        ? .rowsFirst(rows: rows, size: size, width: heads * size) : .headsFirst(heads: heads, rows: rows, size: size)
    }
    return AttentionProblem(
      element: element, batch: batch, heads: heads, group: group, queries: queries, keys: keys, size: size,
      valueSize: valueSize, q: strides(heads, queries, size), k: strides(heads / group, keys, size),
      v: strides(heads / group, keys, valueSize), o: strides(heads, queries, valueSize),
      scale: 1 / Float(size).squareRoot())
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let problem: AttentionProblem
    let kernels: AttentionKernels
    let tile: [String: Int]
    let grid: LaunchSize
    let threads: Int
    let sharedBytes: Int

    init(
      _ description: String, _ problem: AttentionProblem, _ kernels: AttentionKernels, _ tile: [String: Int],
      _ grid: LaunchSize, _ threads: Int, _ sharedBytes: Int, _ change: (inout AttentionProblem) -> Void = { _ in }
    ) {
      testDescription = description
      var problem = problem
      change(&problem)
      (self.problem, self.kernels, self.tile) = (problem.simplified, kernels, tile)
      (self.grid, self.threads, self.sharedBytes) = (grid, threads, sharedBytes)
    }
  }

  private static func bias(_ kind: AttentionProblem.BiasKind, row: Int) -> AttentionProblem.Bias {
    AttentionProblem.Bias(kind: kind, strides: AttentionProblem.Strides(batch: 0, head: 0, row: row))
  }

  // Numbers of the launches that were measured when the kernels were made.
  static let hopper: [Case] = [
    Case(
      "long", problem(batch: 4, heads: 16, queries: 4096, keys: 4096, size: 128), .sm90,
      ["CONSUMERS": 2, "KEYS": 128, "STAGES": 2, "Q_STAGES": 2, "HEAD": 128, "HEAD_V": 128, "ELEMENT": 1],
      LaunchSize(132), 384, 197736),
    Case(
      "causal", problem(batch: 4, heads: 16, queries: 4096, keys: 4096, size: 128), .sm90,
      ["CONSUMERS": 2, "KEYS": 128, "DYNAMIC": 1, "LIMIT_RIGHT": 1], LaunchSize(132), 384, 197736
    ) { $0.right = 0 },
    Case(
      "small heads", problem(batch: 4, heads: 16, queries: 4096, keys: 4096, size: 64), .sm90,
      ["CONSUMERS": 3, "KEYS": 128], LaunchSize(132), 512, 115816),
    Case(
      "all keys in a tile", problem(.float16, batch: 32, heads: 12, queries: 197, keys: 197, size: 64, isFlat: true),
      .sm90, ["CONSUMERS": 2, "KEYS": 208, "ELEMENT": 0], LaunchSize(132), 384, 140392),
    Case(
      "few tiles", problem(.float16, heads: 12, queries: 128, keys: 128, size: 64, isFlat: true), .sm90,
      ["CONSUMERS": 1, "KEYS": 128, "BIAS": 3, "BIAS_PAIRS": 1], LaunchSize(24), 256, 83048
    ) { $0.bias = bias(.bool, row: 0) },
    Case(
      "prefill", problem(.float16, heads: 9, group: 3, queries: 512, keys: 512, size: 64, isFlat: true), .sm90,
      ["CONSUMERS": 1, "KEYS": 128, "LIMIT_RIGHT": 1], LaunchSize(72), 256, 83048
    ) { $0.right = 0 },
    Case(
      "padded heads", problem(batch: 2, heads: 8, queries: 1000, keys: 3000, size: 80), .sm90,
      ["CONSUMERS": 1, "KEYS": 96, "HEAD": 96, "HEAD_V": 96, "BIAS": 2], LaunchSize(132), 256, 99432
    ) { $0.bias = bias(.float32, row: 3000) },
    Case(
      "unequal heads", problem(batch: 2, heads: 40, queries: 1000, keys: 1000, size: 192, valueSize: 128), .sm90,
      ["CONSUMERS": 2, "KEYS": 96, "Q_STAGES": 1, "LENGTHS": 2, "DYNAMIC": 1], LaunchSize(132), 384, 173140
    ) { $0.hasLengths = true },
    Case(
      "large heads", problem(batch: 8, heads: 16, queries: 1024, keys: 1024, size: 256), .sm90,
      ["CONSUMERS": 2, "KEYS": 80, "Q_STAGES": 1, "DYNAMIC": 1], LaunchSize(132), 384, 230484
    ) { $0.right = 0 },
  ]

  static let others: [Case] = [
    Case(
      "float32", problem(.float32, queries: 300, keys: 300, size: 64), .portable,
      ["ELEMENT": 2, "COPY_BYTES": 16, "WARPS": 4, "ROW_TILES": 2, "KEYS": 32], LaunchSize(3, 2, 1), 128, 54784),
    Case(
      "float32 with a bias", problem(.float32, queries: 300, keys: 300, size: 128), .portable,
      ["BIAS": 2, "ROW_TILES": 1, "KEYS": 32], LaunchSize(5, 2, 1), 128, 69120
    ) { $0.bias = bias(.float32, row: 300) },
    Case(
      "large float32", problem(.float32, queries: 300, keys: 300, size: 256), .portable,
      ["ROW_TILES": 1, "KEYS": 16], LaunchSize(5, 2, 1), 128, 101120),
    Case(
      "rows that no tensor map takes", problem(.float16, queries: 300, keys: 300, size: 27), .portable,
      ["COPY_BYTES": 2, "ROW_TILES": 2, "KEYS": 64, "BIAS": 1, "HEAD": 32], LaunchSize(3, 2, 1), 128, 20480
    ) { $0.bias = bias(.element, row: 300) },
    Case(
      "decode", problem(heads: 32, group: 4, queries: 1, keys: 8192, size: 128), .decode,
      ["ROW_WARPS": 1, "WARPS": 8, "KEYS": 16, "STAGES": 3], LaunchSize(16, 8, 1), 256, 213248
    ) { ($0.right, $0.queryOffset) = (0, 8191) },
    Case(
      "decode of a batch", problem(batch: 8, heads: 32, group: 4, queries: 1, keys: 16384, size: 128), .decode,
      ["ROW_WARPS": 1, "WARPS": 8], LaunchSize(2, 8, 8), 256, 213248),
    Case(
      "two rows of 16 heads", problem(heads: 16, group: 16, queries: 2, keys: 3000, size: 64), .decode,
      ["ROW_WARPS": 2, "WARPS": 4, "KEYS": 64, "STAGES": 2, "LIMIT_RIGHT": 1], LaunchSize(12, 1, 1), 128, 78336
    ) { ($0.right, $0.queryOffset) = (0, 2998) },
    Case(
      "large rows", problem(heads: 16, group: 16, queries: 4, keys: 3000, size: 256), .decode,
      ["ROW_WARPS": 4, "WARPS": 4, "KEYS": 64, "STAGES": 2], LaunchSize(24, 1, 1), 128, 168960),
    Case(
      "decode in float32", problem(.float32, heads: 9, group: 3, queries: 1, keys: 2048, size: 64), .decode,
      ["ROW_WARPS": 1, "WARPS": 8, "KEYS": 8, "STAGES": 2, "ELEMENT": 2], LaunchSize(16, 3, 1), 256, 76288),
  ]

  @Test(arguments: hopper + others) func launchesAreThoseMeasured(_ item: Case) throws {
    let launch = try #require(AttentionLaunch.choose(item.problem, Self.device))
    #expect(launch.kernels == item.kernels)
    for (name, value) in item.tile { #expect(launch.macros[name] == value, "\(name)") }
    #expect(launch.grid == item.grid && launch.threads == item.threads)
    #expect(launch.sharedBytes == item.sharedBytes)
    if launch.kernels == .sm90 { #expect(launch.usesCounters == (item.tile["DYNAMIC"] == 1)) }
  }

  /// What every launch keeps to, over sizes of heads, numbers of rows and keys, elements and masks.
  @Test func launchesKeepToTheirLimits() throws {
    var seen: Set<String> = []
    for element in [AttentionProblem.Element.float16, .float32] {
      for size in [8, 32, 40, 64, 80, 96, 128, 160, 192, 256] {
        for (queries, keys) in [(1, 1), (1, 600), (7, 30), (100, 100), (1, 16384), (16, 5000), (2000, 77), (700, 3001)]
        {
          for kind in [AttentionProblem.BiasKind?.none, .element, .float32, .bool] {
            var problem = Self.problem(element, batch: 2, heads: 8, group: 4, queries: queries, keys: keys, size: size)
            problem.bias = kind.map { Self.bias($0, row: keys) }
            problem.right = kind == nil ? nil : 0
            for device in [Self.device, Self.small] {
              let launch = try #require(AttentionLaunch.choose(problem, device))
              check(launch, problem, device)
              seen.insert(launch.kernels.rawValue)
            }
          }
        }
      }
    }
    #expect(seen.count == 3)
  }

  private static let small = AttentionDevice(
    capability: CUDAVersion(8, 6), multiprocessors: 28, sharedBytes: 101376, cacheBytes: 3 << 20)

  private func check(_ launch: AttentionLaunch, _ problem: AttentionProblem, _ device: AttentionDevice) {
    #expect(launch.sharedBytes <= device.sharedBytes, "\(problem)")
    let keys = launch.macros["KEYS"] ?? 0
    #expect(keys > 0 && keys <= 256 && keys % (problem.element == .float32 ? 8 : 16) == 0, "\(problem)")
    switch launch.kernels {
    case .sm90:
      #expect(device.isHopper && launch.architecture == "sm_90a" && problem.element != .float32)
      let boxes = launch.boxes
      #expect(boxes?.width == 64 || boxes?.width == 32)
      #expect(keys * 2 * (boxes?.width ?? 0) % 1024 == 0)
      #expect(boxes?.queries == 64 * (launch.macros["CONSUMERS"] ?? 0) && boxes?.keys == keys)
    case .portable:
      let rows = 16 * (launch.macros["ROW_TILES"] ?? 0) * (launch.macros["WARPS"] ?? 0)
      #expect(launch.grid.x * rows >= problem.queries && (launch.grid.x - 1) * rows < problem.queries)
    case .decode:
      let (warps, rowWarps) = (launch.macros["WARPS"] ?? 0, launch.macros["ROW_WARPS"] ?? 1)
      #expect(warps % rowWarps == 0 && 16 * rowWarps >= min(64, problem.group * problem.queries))
      #expect((launch.macros["STAGES"] ?? 0) >= 2 && launch.splits <= 512)
      #expect(launch.splits * launch.splitKeys >= problem.keys)
      #expect((launch.splits - 1) * launch.splitKeys < problem.keys && launch.splitKeys % keys == 0)
      let rows = problem.batch * problem.heads * problem.queries
      #expect(
        launch.partialBytes == (launch.splits > 1 ? rows * launch.splits * (problem.valueSize + 2) * 4 : 0))
    }
  }

  @Test func largeHeadsHaveNoLaunch() {
    #expect(AttentionLaunch.choose(Self.problem(queries: 10, keys: 10, size: 264), Self.device) == nil)
    #expect(AttentionLaunch.choose(Self.problem(queries: 10, keys: 10, size: 64, valueSize: 257), Self.device) == nil)
  }

  @Test func tensorMapsNeedAlignedRows() throws {
    var problem = Self.problem(queries: 100, keys: 100, size: 64, isFlat: true)
    #expect(AttentionLaunch.choose(problem, Self.device)?.kernels == .sm90)
    problem.alignment = 8
    #expect(AttentionLaunch.choose(problem, Self.device)?.kernels == .portable)
    problem.alignment = 16
    problem.v.row += 4
    let launch = try #require(AttentionLaunch.choose(problem, Self.device))
    #expect(launch.kernels == .portable && launch.macros["COPY_BYTES"] == 8)
  }

  @Test func tensorMapsSayTheLayout() throws {
    let problem = Self.problem(.float16, batch: 3, heads: 6, group: 2, queries: 200, keys: 300, size: 80, isFlat: true)
    let launch = try #require(AttentionLaunch.choose(problem, Self.device))
    let boxes = try #require(launch.boxes)
    let maps = AttentionLaunch.maps(problem, boxes)
    #expect(maps.map(\.sizes) == [[80, 200, 6, 3], [80, 300, 3, 3], [80, 300, 3, 3], [80, 200, 6, 3]])
    #expect(maps[0].strides == [960, 160, 192000] && maps[1].strides == [480, 160, 144000])
    #expect(maps.map { $0.box[0] } == [32, 32, 32, 32] && maps.allSatisfy { $0.swizzleBytes == 64 })
    #expect(maps.map { $0.box[1] } == [boxes.queries, boxes.keys, boxes.keys, 64])
    // An axis of one element may have any stride, but the map wants one.
    let single = Self.problem(queries: 1, keys: 100, size: 64)
    #expect(AttentionLaunch.maps(single, boxes).allSatisfy { $0.strides.allSatisfy { $0 > 0 && $0 % 16 == 0 } })
  }

  @Test func limitsThatNoQueryMeetsAreLeftOut() {
    var problem = Self.problem(queries: 4, keys: 100, size: 64)
    (problem.right, problem.left, problem.queryOffset) = (0, 99, 96)
    #expect(problem.simplified.right == 0 && problem.simplified.left == nil)
    (problem.right, problem.left) = (3, 98)
    #expect(problem.simplified.right == nil && problem.simplified.left == 98)
    (problem.queries, problem.hasLengths, problem.right) = (1, true, 0)
    #expect(problem.simplified.right == nil)
  }

  @Test func parametersLieAsTheKernelHasThem() {
    #expect(AttentionProblem.padded(80) == 96 && AttentionProblem.padded(257) == nil)
    var bytes = PackedBytes()
    bytes.append(Int32(1))
    bytes.append(Int64(2))
    bytes.append(Float(0))
    #expect(bytes.bytes == [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  }
}

/// Without a device: that what stands beside the attention kernels compiles.
@Suite(.enabled(if: Toolkit.isThere, "NVRTC is not there: Tools/setup models installs it"))
struct AttentionSourceTests {
  @Test(arguments: [("attention_rows", ["JOBS": 4]), ("attention_plain", [:])])
  func sourcesCompile(_ name: String, _ macros: [String: Int]) throws {
    let sources = try ["elements.cuh", name + ".cu"].map { try KernelSource.embedded($0) }
    let compiler = KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: nil)
    let kernel = try compiler.compile(KernelProgram(sources, macros: macros, architecture: "sm_80"))
    #expect(kernel.image.starts(with: [0x7f] + Array("ELF".utf8)))
  }

  @Test func float32MayBeRoundedToTF32() throws {
    let compiler = KernelCompiler(try #require(Toolkit.nvrtc), driver: nil, cache: nil)
    var problem = AttentionLaunchTests.problem(.float32, queries: 200, keys: 200, size: 64)
    problem.usesTF32 = true
    let launch = try #require(AttentionLaunch.choose(problem, AttentionLaunchTests.device))
    #expect(launch.macros["TF32"] == 1)
    _ = try compiler.compile(launch.kernels.program(macros: launch.macros, architecture: "sm_80"))
  }
}
