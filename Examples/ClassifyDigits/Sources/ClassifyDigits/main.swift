// Optimizes the embedded digits model, runs it over the held-out images, prints the accuracy.
//   swift run -c release ClassifyDigits ../../Models
import Cameo

let folder = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "../../Models"
do {
  // Offline: optimize, look at what was done, write a standard ONNX file.
  let source = try Model(contentsOf: folder + "/digits_transformer.onnx")
  let (model, report) = try source.optimized(level: 2)
  print("nodes \(report.nodesBefore) -> \(report.nodesAfter), verified: \(report.verification?.passed ?? false)")
  for fusion in report.fusions.prefix(3) {
    print("  \(fusion.operatorName) stands for \(fusion.origins.count) source nodes")
  }

  // At run time: a session over any shape of the batch; many threads may run it at once.
  let session = try Session(model, providers: [CPUProvider()])
  let arrays = try NumPyFile.readArchive(path: folder + "/digits_heldout.npz")
  let expected = try NumPyFile.readArchive(path: folder + "/digits_expected.npz")
  guard let images = arrays.first(where: { $0.name == "image" })?.tensor,
    let labels = try expected.first(where: { $0.name == "label" })?.tensor.ints()
  else { throw CameoError.badInput("the held-out images are not where they should be") }
  let outputs = try session.run(["image": images])
  guard let logits = try outputs["logits"]?.elements(as: Float.self) else { throw CameoError.badInput("no logits") }
  var correct = 0
  for (row, label) in labels.enumerated() {
    let scores = logits[row * 10..<row * 10 + 10]
    if let best = scores.indices.max(by: { scores[$0] < scores[$1] }), best - row * 10 == label { correct += 1 }
  }
  print("top-1 \(correct) of \(labels.count)")

  // Without copies: inputs and outputs in the caller's memory, nothing allocated between runs.
  let binding = try Binding(session, inputs: ["image": [1, 1, 8, 8]])
  let pixels = UnsafeMutableBufferPointer<Float>.allocate(capacity: 64)
  let scores = UnsafeMutableBufferPointer<Float>.allocate(capacity: 10)
  defer {
    pixels.deallocate()
    scores.deallocate()
  }
  pixels.initialize(repeating: 0.5)
  scores.initialize(repeating: 0)
  try binding.bind(input: "image", to: UnsafeRawBufferPointer(pixels))
  try binding.bind(output: "logits", to: UnsafeMutableRawBufferPointer(scores))
  try binding.run()
  print("bound run: best class \(scores.indices.max { scores[$0] < scores[$1] } ?? 0)")
} catch {
  print("error: \(error)")
}
