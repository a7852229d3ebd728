import ArgumentParser
import Cameo
import PassKit
import Passes
import Tensors

/// `cameo passes`: the list of passes, or one with its before and after.
struct PassesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "passes",
    abstract: "Lists the passes in the order in which they run, or shows one.",
    discussion: """
      EXAMPLE
        cameo passes
        cameo passes FuseGelu
        cameo passes FuseGelu --text > gelu.rules
        cameo passes --plugin ./libMyPass.so MyPass
      """)

  @Argument(help: "The name of a pass, to see what it does.") var name: String?
  @Flag(help: "Print the text of a pass written in the rule language, as --rules reads it.") var text = false

  @OptionGroup var ruleFiles: RuleArguments
  @OptionGroup var plugins: PluginArguments
  @OptionGroup var output: OutputArguments

  func run() throws {
    try plugins.load()
    let all = Pipelines.all(with: PluginArguments.passes) + (try ruleFiles.passes())
    if text && name == nil { throw ValidationError("--text needs the name of a pass") }
    if let name {
      guard let pass = all.first(where: { $0.name.lowercased() == name.lowercased() }) else {
        let near = all.map(\.name).filter { $0.lowercased().contains(name.lowercased()) }
        throw CameoError.badInput(
          "there is no pass \(name)"
            + (near.isEmpty ? "; see cameo passes" : "; did you mean \(near.joined(separator: ", "))?"))
      }
      if text {
        guard let rules = pass as? RulePass else {
          throw CameoError.badInput("\(pass.name) is not written in the rule language")
        }
        Console.out(rules.text)
      } else if output.json {
        Console.out(json(pass, documentation: true).text())
      } else {
        if let page = PassCatalogue.page(pass.name) {
          Console.out(Console.styled(pass.name, .bold) + "\n\n" + page)
          return
        }
        Console.out("\(Console.styled(pass.name, .bold)) (level \(pass.level)): \(pass.summary)")
        if pass.documentation != pass.summary { Console.out("\n" + pass.documentation) }
      }
      return
    }
    if output.json {
      Console.out(JSON.object([("passes", .array(all.map { json($0, documentation: false) }))]).text())
      return
    }
    var table = Table(["pass", ">level", "what it does"])
    for pass in all { table.add(pass.name, "\(pass.level)", pass.summary) }
    Console.out(table.text(indent: 0))
  }

  private func json(_ pass: any Pass, documentation: Bool) -> JSON {
    var members: [(String, JSON)] = [
      ("name", .string(pass.name)), ("level", .int(pass.level)), ("summary", .string(pass.summary)),
    ]
    if documentation { members.append(("documentation", .string(pass.documentation))) }
    return .object(members)
  }
}
