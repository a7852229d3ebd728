import Cameo
import InferenceRuntime

/// What a session with a device runs on the host, and why.
enum FallbackText {
  private static func steps(_ session: Session) -> [ExecutionPlan.Assignment] {
    guard session.device != nil else { return [] }
    return session.plans.flatMap(\.assignments).filter { !$0.isOnDevice && $0.provider != "plan" }
  }

  /// A line for each node, preceded by an empty one; empty where everything runs on the device.
  static func table(_ session: Session) -> String {
    let steps = steps(session)
    if steps.isEmpty { return "" }
    var table = Table(["provider", "node", "why"])
    for step in steps.prefix(40) { table.add(step.provider, step.label, step.refusals.first ?? "it was not asked") }
    let rest = steps.count > 40 ? "\n… and \(steps.count - 40) more" : ""
    return "\n\n\(steps.count) steps run on the host\n" + table.text() + rest
  }

  static func reasons(_ session: Session) -> [(node: String, reason: String)] {
    steps(session).map { ($0.label, $0.refusals.first ?? "it was not asked") }
  }

  static func json(_ session: Session) -> JSON {
    .array(
      steps(session).map {
        .object([
          ("node", .string($0.label)), ("provider", .string($0.provider)),
          ("reasons", .array($0.refusals.map { .string($0) })),
        ])
      })
  }
}
