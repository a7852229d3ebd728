import Cameo
import InferenceRuntime

/// How `bench --operators` prints a roofline.
extension Roofline {
  /// Steps and kernels with their rates, and the ceilings that they are held against.
  func text(steps limit: Int = 25) -> String {
    var reads: [String] = []
    for read in ceilings.reads {
      reads.append("\(Figures.fixed(read.bytesPerSecond * 1e-9, 0)) in \(Figures.bytes(read.bytes))")
    }
    let operations = ceilings.operationsPerSecond
    let rate = operations.isFinite ? "\(Figures.fixed(operations * 1e-9, 0)) GFLOP/s; " : ""
    return "ceilings: \(rate)GB/s read: "
      + reads.joined(separator: ", ") + "\n\n" + table("step", self.steps, limit) + "\n\n"
      + table("kernel", kernels + [total], .max)
  }

  private func table(_ title: String, _ lines: [Line], _ limit: Int) -> String {
    var table = Table([">ms", ">calls", ">MFLOP", ">MB", ">GFLOP/s", ">GB/s", ">of ceiling", "bound by", title])
    let count = Double(max(1, runs))
    for line in lines.prefix(limit) {
      let isStep = !line.operatorName.isEmpty
      let name = isStep ? "\(line.kernel) | \(line.operatorName) | \(line.name)" : line.name
      table.add(
        Figures.fixed(line.seconds * 1000 / count, 3), "\(Int(Double(line.calls) / count))",
        line.isKnown ? Figures.fixed(line.work.operations * 1e-6 / count, 2) : "-",
        line.isKnown ? Figures.fixed(line.work.bytes * 1e-6 / count, 2) : "-",
        line.isKnown ? Figures.fixed(line.operationsPerSecond * 1e-9, 1) : "-",
        line.isKnown ? Figures.fixed(line.bytesPerSecond * 1e-9, 1) : "-",
        line.share.map { Figures.fixed(100 * $0, 0) + "%" } ?? "-",
        line.isKnown ? (line.isBoundByMemory ? "memory" : "compute") : "-",
        name.count > 100 ? String(name.prefix(99)) + "…" : name)
    }
    return table.text(indent: 0) + (lines.count > limit ? "\n… and \(lines.count - limit) more" : "")
  }

  /// `"ceilings"`, and what is added to the figures of a kernel or step.
  var ceilingsJSON: JSON {
    .object([
      ("gflops", .double(ceilings.operationsPerSecond * 1e-9)),
      (
        "reads",
        .array(
          ceilings.reads.map {
            .object([("bytes", .int($0.bytes)), ("gbs", .double($0.bytesPerSecond * 1e-9))])
          })
      ),
    ])
  }

  var stepsJSON: JSON {
    .array(
      steps.map { line in
        .object([("node", .string(line.name)), ("operator", .string(line.operatorName))] + members(line))
      })
  }
  var kernelsJSON: JSON { .array(kernels.map { .object(members($0)) }) }
  var totalJSON: JSON { .object(members(total).filter { $0.0 != "kernel" }) }

  private func members(_ line: Line) -> [(String, JSON)] {
    let count = Double(max(1, runs))
    func rounded(_ value: Double) -> JSON { .double((value * 1e4).rounded() / 1e4) }
    var members: [(String, JSON)] = [
      ("kernel", .string(line.kernel)), ("ms", rounded(line.seconds * 1000 / count)),
      ("calls", .int(Int(Double(line.calls) / count))),
    ]
    // Where the work is not known there is nothing to say of rates.
    guard line.isKnown, let share = line.share else { return members }
    members += [
      ("mflop", rounded(line.work.operations * 1e-6 / count)), ("mbytes", rounded(line.work.bytes * 1e-6 / count)),
      ("gflops", rounded(line.operationsPerSecond * 1e-9)), ("gbs", rounded(line.bytesPerSecond * 1e-9)),
      ("ceiling_share", rounded(share)), ("bound", .string(line.isBoundByMemory ? "memory" : "compute")),
    ]
    return members
  }
}
