import ArgumentParser
import Cameo
import Tensors

/// `--quiet` and `--json`.
struct OutputArguments: ParsableArguments {
  @Flag(help: "Print one JSON document on standard output.")
  var json = false

  @Flag(name: [.long, .customShort("q")], help: "Print nothing but the result.")
  var quiet = false

  /// A message for people; not printed with --quiet.
  func note(_ text: String) { if !quiet { Console.note(text) } }
  var progress: Console.Progress { Console.Progress(quiet: quiet) }
}

/// The question that the command answers was answered "no": exit code 1. The reason has been printed.
struct AnsweredNo: Error {}
