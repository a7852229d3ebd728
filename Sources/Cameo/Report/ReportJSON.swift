import PassKit

/// The report as JSON: the keys of `cameo optimize --json`, which scripts rely on.
public enum ReportJSON {
  public static func document(_ document: ReportDocument, difference: GraphDifference? = nil) -> JSON {
    let report = document.report
    let verification = report.verification
    var members: [(String, JSON)] = [
      ("model", .string(report.model)), ("output", .string(document.output)),
      ("level", .int(report.level)), ("target", .string(report.target)),
      ("opset", JSON(document.outputOpset)), ("file_bytes", JSON(document.outputBytes)),
      ("nodes_before", .int(report.nodesBefore)), ("nodes_after", .int(report.nodesAfter)),
      ("bytes_before", .int(report.bytesBefore)), ("bytes_after", .int(report.bytesAfter)),
      ("ms", .double(rounded(report.milliseconds))),
      ("operators_before", JSON(report.operatorsBefore)), ("operators_after", JSON(report.operatorsAfter)),
      (
        "passes",
        .array(
          report.passes.map {
            .object([
              ("name", .string($0.name)), ("applied", .int($0.applied)), ("ms", .double(rounded($0.milliseconds))),
              ("nodes_after", .int($0.nodesAfter)),
            ])
          })
      ),
      ("fusions", .array(report.fusions.map(fusion))),
      ("near_misses", .array(report.nearMisses.map(nearMiss))),
      (
        "departures",
        .array(
          report.departures.map {
            .object([
              ("pass", .string($0.pass)), ("how", .string($0.isFolded ? "folded" : "removed")),
              ("nodes", JSON($0.nodes)),
            ])
          })
      ),
      ("failures", JSON(report.failures)),
      ("verified", .bool(verification?.passed ?? false)),
      ("max_abs", JSON(verification?.maxAbs)), ("max_rel", JSON(verification?.maxRel)),
    ]
    if let packed = document.packedBytes { members.append(("packed_bytes", .int(packed))) }
    if let verification {
      members.append(
        (
          "verification",
          .object([
            ("passed", .bool(verification.passed)), ("tolerance", .double(verification.tolerance)),
            ("ms", .double(rounded(verification.milliseconds))), ("culprit", JSON(verification.culprit)),
            ("compared_values", JSON(verification.comparedValues)),
            ("unchecked_changes", JSON(verification.uncheckedChanges)),
            ("cases", JSON(verification.cases)),
            (
              "outputs",
              .array(
                verification.outputs.map {
                  .object([
                    ("name", .string($0.name)), ("max_abs", .double($0.maxAbs)), ("max_rel", .double($0.maxRel)),
                    ("allowed", JSON($0.allowed)),
                  ])
                })
            ),
          ])
        ))
    }
    if let memory = document.memory {
      members.append(
        (
          "memory",
          .object([
            ("signature", .string(memory.signature)), ("peak_bytes", .int(memory.peakBytes)),
            ("sum_bytes", .int(memory.sumBytes)), ("lower_bound_bytes", .int(memory.lowerBound)),
            ("steps", .int(memory.stepCount)), ("live_bytes", JSON(memory.liveBytes)),
          ])
        ))
    }
    if let difference { members.append(("diff", difference.json)) }
    return .object(members)
  }

  private static func rounded(_ milliseconds: Double) -> Double { (milliseconds * 1000).rounded() / 1000 }

  private static func fusion(_ fusion: FusionRecord) -> JSON {
    .object([
      ("pass", .string(fusion.pass)), ("rule", .string(fusion.rule)), ("operator", .string(fusion.operatorName)),
      ("node", .string(fusion.node)), ("origins", JSON(fusion.origins)),
      ("before", .array(fusion.before.map(subgraphNode))), ("after", .array(fusion.after.map(subgraphNode))),
    ])
  }

  private static func subgraphNode(_ node: SubgraphNode) -> JSON {
    var members: [(String, JSON)] = [
      ("type", .string(node.type)), ("name", .string(node.name)), ("inputs", JSON(node.inputs)),
      ("outputs", JSON(node.outputs)),
    ]
    if !node.attributes.isEmpty { members.append(("attributes", JSON(node.attributes))) }
    return .object(members)
  }

  private static func nearMiss(_ miss: NearMiss) -> JSON {
    .object([
      ("pass", .string(miss.pass)), ("rule", .string(miss.rule)), ("node", .string(miss.node)),
      ("reason", .string(miss.reason)), ("obstacle", JSON(miss.obstacle)), ("origins", JSON(miss.originNames)),
    ])
  }
}
