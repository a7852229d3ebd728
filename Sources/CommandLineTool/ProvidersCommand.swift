import ArgumentParser
import CPUProvider
import Cameo
import InferenceRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

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
    let providers: [(name: String, findings: [ProviderFinding])] = [
      ("cpu", CPUProvider().probe()), ("reference", ReferenceProvider().probe()), ("cuda", [cuda()]),
    ]
    let threads = ThreadPool(threads: 0).threads
    if output.json {
      let document = JSON.object([
        ("threads", .int(threads)), ("memory_limit_bytes", .int(MemoryBudget.shared.limit)),
        (
          "providers",
          .array(
            providers.map { name, findings in
              .object([
                ("name", .string(name)), ("usable", .bool(name != "cuda")),
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
      var table = Table(alignments: [.left, .left, .left])
      for finding in findings {
        table.add(
          finding.isFound ? Console.styled("found", .green) : Console.styled("not found", .yellow), finding.what,
          finding.detail)
      }
      Console.out(table.isEmpty ? "  nothing is looked for" : table.text())
    }
  }

  /// Says what the machine has; this version has no CUDA provider.
  private func cuda() -> ProviderFinding {
    guard let handle = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) else {
      return ProviderFinding(
        "CUDA driver", isFound: false, "libcuda.so.1: \(dlerror().map { String(cString: $0) } ?? "not found")")
    }
    dlclose(handle)
    return ProviderFinding("CUDA driver", isFound: true, "libcuda.so.1; this version of cameo has no CUDA kernels")
  }
}
