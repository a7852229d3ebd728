import ArgumentParser

struct OptimizeCommand: ParsableCommand {
  func run() throws {}
}
