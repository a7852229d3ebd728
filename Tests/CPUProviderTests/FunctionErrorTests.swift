import CKernels
import KernelReference
import Testing

/// The bounds of docs/numerics.md, in ulp of the exact result: results of at least 2^-126, and smaller ones.
@Suite struct FunctionErrorTests {
  struct Bound: CustomTestStringConvertible {
    let function: String
    let normal: Double
    let small: Double
    /// The two in the tier without fused multiply-adds.
    let generic: (Double, Double)

    init(_ function: String, _ normal: Double, _ small: Double, generic: (Double, Double)? = nil) {
      self.function = function
      self.normal = normal
      self.small = small
      self.generic = generic ?? (normal, small)
    }

    var testDescription: String { function }
    var index: Int32? {
      (0..<kr_function_count()).first { String(cString: kr_function_at($0).name) == function }
    }
  }

  static let bounds = [
    Bound("exp", 1.1, 0.8), Bound("log", 0.9, 0.5), Bound("sqrt", 0.5, 0.5), Bound("1 / sqrt", 1.5, 0.5),
    Bound("reciprocal", 0.5, 0.5), Bound("square", 0.5, 0.5), Bound("sin", 0.6, 0.6), Bound("cos", 0.6, 0.6),
    Bound("tan", 1.6, 1), Bound("tanh", 1.4, 1), Bound("erf", 1.1, 0.6, generic: (1.3, 0.6)),
    Bound("sigmoid", 2.6, 1.3), Bound("silu", 2.5, 1.5), Bound("gelu", 5, 2.5, generic: (6.5, 3)),
    Bound("gelu, tanh", 2.5, 1.5), Bound("mish", 4, 1.5), Bound("softplus", 2.1, 0.8), Bound("softsign", 1.6, 0.5),
    Bound("elu", 1.5, 1), Bound("celu", 1.5, 1), Bound("selu", 2.5, 1.2),
  ]

  @Test func everyMeasuredFunctionHasABound() {
    let names = (0..<kr_function_count()).map { String(cString: kr_function_at($0).name) }
    #expect(Self.bounds.map(\.function) == names)
  }

  /// Every exponent and sign with some 3900 mantissas each, and the edges of the formats and of the functions' branches.
  @Test(arguments: bounds) func functionsKeepTheirBoundsOnEveryTier(bound: Bound) throws {
    let index = try #require(bound.index)
    // An odd step meets all residues: the sample holds denormals and NaN in proportion.
    var errors = [kr_error](repeating: kr_error(), count: 3)
    kr_scan(index, 0, 2147, 1 << 32 / 2147, &errors)
    for edge in Self.edges {
      kr_scan(index, edge.bitPattern &- 64, 1, 129, &errors)
      kr_scan(index, (-edge).bitPattern &- 64, 1, 129, &errors)
    }
    let best = ck_isa_best()
    for (tier, name) in ["generic", "avx2", "avx512"].enumerated() {
      guard tier <= best else {
        print("skipped: \(bound.function) in \(name), which this machine lacks")
        continue
      }
      let error = errors[tier]
      let (normal, small) = tier == 0 ? bound.generic : (bound.normal, bound.small)
      #expect(error.count > 2_000_000)
      #expect(error.normal <= normal, "\(name): \(error.normal) ulp at \(error.normal_at)")
      #expect(error.small <= small, "\(name): \(error.small) ulp of a denormal result at \(error.small_at)")
      #expect(error.wrong == 0, "\(name): NaN or a sign where there should be none, the first at \(error.wrong_at)")
    }
  }

  private static let edges: [Float] = [
    0, .leastNormalMagnitude, .greatestFiniteMagnitude, .infinity, 1, 0.5, 0.625, 0.927734375, 4, 8, 10.945, 13.2,
    18.77,
    20, 60, 87.3, 87.33655, 88.72284, 89, 103.97208, 105, 110.2, 110.6, 111, 0x1p-24, 0x1p24, 0x1p64,
  ]
}
