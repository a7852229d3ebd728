import ArgumentParser
import CPUProvider
import CUDAProvider
import Cameo
import InferenceRuntime
import Tensors

/// `cameo providers`: what was found on this machine.
struct ProvidersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "providers",
    abstract: "Shows what this machine has to run models with, and what was not found and why.",
    discussion: """
      EXAMPLE
        cameo providers
      """)

  @OptionGroup var output: OutputArguments

  func run() throws {
    let cuda = CUDAProbe()
    let providers: [(name: String, findings: [ProviderFinding])] = [
      ("cpu", CPUProvider().probe()), ("reference", ReferenceProvider().probe()), ("cuda", cuda.findings),
    ]
    let why = cuda.obstacle
    let threads = ThreadPool(threads: 0).threads
    if output.json {
      let document = JSON.object([
        ("threads", .int(threads)), ("memory_limit_bytes", .int(MemoryBudget.shared.limit)),
        (
          "providers",
          .array(
            providers.map { name, findings in
              .object([
                ("name", .string(name)), ("usable", .bool(name != "cuda" || why == nil)),
                ("reason", name == "cuda" ? why.map { .string($0) } ?? .null : .null),
                (
                  "findings",
                  .array(
                    findings.map {
                      .object([
                        ("what", .string($0.what)), ("found", .bool($0.isFound)), ("detail", .string($0.detail)),
                      ])
                    })
                ),
              ])
            })
        ),
      ])
      Console.out(document.text())
      return
    }
    Console.out("\(threads) threads, memory limit \(Figures.bytes(MemoryBudget.shared.limit))")
    for (name, findings) in providers {
      Console.out("\n" + Console.styled(name, .bold))
      // What is missing of CUDA stands in that one line.
      let isCUDA = name == "cuda" && why != nil
      if name == "cuda", let why { Console.out("CUDA: no: \(why)") }
      var table = Table(alignments: [.left, .left, .left])
      for finding in findings where finding.isFound || !isCUDA {
        table.add(
          finding.isFound ? Console.styled("found", .green) : Console.styled("not found", .yellow), finding.what,
          finding.detail)
      }
      if !table.isEmpty { Console.out(table.text()) } else if !isCUDA { Console.out("  nothing is looked for") }
    }
  }
}
