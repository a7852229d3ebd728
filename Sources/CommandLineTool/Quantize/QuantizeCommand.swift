import ArgumentParser
import Cameo
import GraphIR
import ONNXFormat
import PassKit
import Quantization
import Tensors

/// `cameo quantize`: writes a model whose products multiply integers, or whose weights take fewer bits.
struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Quantizes a model and says what that costs and what became integer.",
    discussion: """
      Static (the default) needs samples: a folder of .npz, .npy or test_data_set_N, or one .npz with the samples along its arrays' first
      axis. The model is optimized first, run over the samples once, and written with QuantizeLinear and DequantizeLinear around its
      products (--format qdq) or as QLinearConv and QLinearMatMul (--format qoperator).

      --dynamic quantizes the data of products in each run, by its own range. --weight-only keeps the data float.
      --precision lets the model compute in fp16 or bf16; with --accuracy-drop, what would cost too much on the samples stays float32.
      --prune comes before any of them, or alone.

      What is printed: how many products are integer products when Cameo runs the file, by number and by multiply-adds, how the
      outputs compare with the float model's on the samples (or on those of --evaluate), and how long a run of the first sample takes
      beside the float model's. Where the whole would be slower than the float model, products that are slower as integers stay float.

      EXAMPLE
        cameo quantize model.onnx -o model.int8.onnx --calibration samples/ --method entropy --report report.html
        cameo quantize llm.onnx -o llm.int4.onnx --weight-only int4 --group-size 32 --algorithm hqq
        cameo quantize model.onnx -o model.bf16.onnx --precision bf16 --evaluate samples/ --accuracy-measure max --accuracy-drop 0.02
      """)

  @Argument(help: "An .onnx file of floats.") var model: String
  @Option(name: [.customShort("o"), .long], help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String

  @OptionGroup(title: "Static") var statics: StaticArguments
  @OptionGroup(title: "Accuracy") var accuracy: AccuracyArguments
  @OptionGroup(title: "Other forms") var forms: FormArguments
  @OptionGroup(title: "The file") var files: QuantizedFileArguments
  @OptionGroup var console: OutputArguments

  func validate() throws {
    let chosen = [forms.dynamic, forms.weightOnly != nil, forms.precision != nil].count { $0 }
    if chosen > 1 { throw ValidationError("--dynamic, --weight-only and --precision exclude each other") }
    if forms.weightOnly != nil, forms.algorithm.needsActivations, statics.calibration == nil {
      throw ValidationError("--algorithm \(forms.algorithm.rawValue) needs --calibration DIR|FILE.npz")
    }
    if forms.precision != nil, accuracy.accuracyDrop != nil, statics.calibration == nil, accuracy.evaluate == nil {
      throw ValidationError("--accuracy-drop needs samples: --calibration DIR|FILE.npz or --evaluate DIR|FILE.npz")
    }
    if chosen == 0, forms.prune == nil, statics.calibration == nil {
      throw ValidationError(
        "static quantization needs --calibration DIR|FILE.npz; --dynamic and --weight-only rtn do without samples")
    }
  }

  /// Only pruned.
  private var chosenNothing: Bool {
    !forms.dynamic && forms.weightOnly == nil && forms.precision == nil && statics.calibration == nil
  }

  func run() throws {
    let progress = console.progress
    defer { progress.clear() }
    progress.show("reading \(model)")
    let source = try Model(contentsOf: model)
    var run = QuantizationRun(source, progress: { progress.show($0) })
    run.level = files.level
    run.target = files.target
    run.opset = files.opset
    run.threads = files.threads
    run.checksSpeed = !files.noTiming
    run.bindings = files.dims.bindings
    try within("file \(model)") {
      try files.dims.check(against: source.inputSymbols)
      try statics.apply(to: &run, accuracy)
      try accuracy.apply(to: &run)
      try forms.apply(to: &run)
      if chosenNothing { run.form = .none }
    }
    let result = try within("file \(model)") { try run.run() }
    progress.show("writing \(output)")
    var export = ExportOptions(opset: files.opset)
    if files.externalData { export.externalData = .beside }
    let written = try ONNXExporter.save(result.model, to: output, options: export)
    if let path = statics.saveCalibration { try result.cache?.write(to: path) }
    progress.clear()
    let summary = QuantizeSummary(source: model, output: output, result, written)
    for path in files.report { try ReportWriter.write(summary.report, to: path) }
    if console.json {
      Console.out(ReportWriter.text(summary.report, .json), terminator: "")
    } else if !console.quiet {
      Console.out(summary.text)
    }
    if let drop = accuracy.accuracyDrop, let measured = result.drop, measured > drop {
      Console.note(
        "cameo: \(output): the accuracy drops by \(Figures.short(measured)), more than \(Figures.short(drop))")
      throw AnsweredNo()
    }
  }
}
