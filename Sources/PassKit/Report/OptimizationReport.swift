import GraphIR

/// What an optimization did, as data: the JSON, Markdown and HTML reports are made from it.
public struct OptimizationReport: Sendable, Codable {
  public var model = ""
  public var level = 2
  public var target = "onnx"
  public var nodesBefore = 0
  public var nodesAfter = 0
  public var bytesBefore = 0
  public var bytesAfter = 0
  public var operatorsBefore: [String: Int] = [:]
  public var operatorsAfter: [String: Int] = [:]
  public var passes: [PassRecord] = []
  public var fusions: [FusionRecord] = []
  public var nearMisses: [NearMiss] = []
  /// Source nodes that no node stands for any more.
  public var departures: [DepartureRecord] = []
  public var verification: VerificationRecord?
  /// Passes that failed and were rolled back, or were switched off by verification.
  public var failures: [String] = []
  /// The names of those that failed, without what verification switched off.
  public var failedPasses: [String] = []
  public var milliseconds = 0.0

  public init() {}
}

public struct PassRecord: Sendable, Codable {
  public var name: String
  public var applied: Int
  public var milliseconds: Double
  public var nodesAfter: Int

  public init(name: String, applied: Int, milliseconds: Double, nodesAfter: Int) {
    self.name = name
    self.applied = applied
    self.milliseconds = milliseconds
    self.nodesAfter = nodesAfter
  }
}

/// One fusion: which rule, what it made, what it stands for.
public struct FusionRecord: Sendable, Codable {
  public var pass: String
  public var rule: String
  public var operatorName: String
  /// The new node's name or its first output's.
  public var node: String
  /// Names of the source nodes.
  public var origins: [String]
  public var before: [SubgraphNode]
  public var after: [SubgraphNode]
}

/// A node as the report draws it.
public struct SubgraphNode: Sendable, Codable {
  public var type: String
  public var name: String
  public var inputs: [String]
  public var outputs: [String]
  public var attributes: [String]
  public var origins: [Int]
  /// Positions of `inputs` that are constants; the text there is the value or the type.
  public var constantInputs: [Int] = []

  public init(type: String, name: String, inputs: [String], outputs: [String], attributes: [String], origins: [Int]) {
    self.type = type
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.origins = origins
  }
}

/// A rule that matched a shape and was refused by a guard, or matched all but a part.
public struct NearMiss: Sendable, Codable {
  public var pass = ""
  public var rule: String
  public var node: String
  public var reason: String
  /// The node that stood in the way.
  public var obstacle: String?
  /// Names of the source nodes, filled by the pass manager.
  public var originNames: [String] = []
  public var origins: [Int]
  /// The first results of the node and of the one that makes it a candidate; -1 where they are gone.
  var place: Int32
  var key: Int32
  var reach: Int

  init(
    rule: String, node: String, reason: String, obstacle: String?, origins: [Int], place: Int32, key: Int32, reach: Int
  ) {
    self.rule = rule
    self.node = node
    self.reason = reason
    self.obstacle = obstacle
    self.origins = origins
    self.place = place
    self.key = key
    self.reach = reach
  }
}

/// How close the optimized model is to the source on seeded inputs.
public struct VerificationRecord: Sendable, Codable {
  public struct Output: Sendable, Codable {
    public var name: String
    public var maxAbs: Double
    /// max|a-b| / max|a|
    public var maxRel: Double
    /// What `maxRel` may be where that is more than the tolerance: the source quantizes, and its own rounding makes so much.
    public var allowed: Double?

    public init(name: String, maxAbs: Double, maxRel: Double) {
      self.name = name
      self.maxAbs = maxAbs
      self.maxRel = maxRel
    }
  }

  public var passed: Bool
  public var tolerance: Double
  /// One line an input set: dims, seed, mask form.
  public var cases: [String]
  public var outputs: [Output]
  public var milliseconds: Double
  /// The pass that was found to change the result, where one was.
  public var culprit: String?
  /// Where each change was checked by itself: values that were computed anew and compared, changes that gave none to compare.
  public var comparedValues: Int?
  public var uncheckedChanges: Int?

  public init(
    passed: Bool, tolerance: Double, cases: [String], outputs: [Output], milliseconds: Double, culprit: String? = nil
  ) {
    self.passed = passed
    self.tolerance = tolerance
    self.cases = cases
    self.outputs = outputs
    self.milliseconds = milliseconds
    self.culprit = culprit
  }

  public var maxAbs: Double { outputs.map(\.maxAbs).max() ?? 0 }
  public var maxRel: Double { outputs.map(\.maxRel).max() ?? 0 }
}
