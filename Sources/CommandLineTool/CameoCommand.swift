import ArgumentParser
import Cameo
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The root command: only names its subcommands, so that `--help` touches nothing else.
struct CameoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cameo",
    abstract: "Carves an ONNX graph down to what it has to compute, and runs it.",
    discussion: """
      EXAMPLE
        cameo optimize model.onnx -o small.onnx --report report.html
        cameo bench small.onnx --dim batch=1

      EXIT CODES
        0 done; 1 the question was answered "no" (compare differs, verification or an assertion fails);
        2 bad input or unsupported model; 64 wrong usage.
      """,
    version: CameoVersion.current,
    subcommands: [
      InspectCommand.self, OptimizeCommand.self, RunCommand.self, BenchCommand.self, CompareCommand.self,
      PassesCommand.self,
      ProvidersCommand.self, ConformanceCommand.self, QuantizeCommand.self,
    ])
}

@main
enum Main {
  static func main() {
    do {
      var command = try CameoCommand.parseAsRoot(OptimizeCommand.rewritten(Array(CommandLine.arguments.dropFirst())))
      try command.run()
    } catch let error as CameoError {
      Console.note("cameo: error: \(error)")
      Glibc.exit(2)
    } catch is AnsweredNo {
      Glibc.exit(1)
    } catch {
      CameoCommand.exit(withError: error)
    }
  }
}
