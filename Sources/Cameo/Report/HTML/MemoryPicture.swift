/// The arena over the steps of a plan: a rectangle for each buffer, and above it the bytes that live at each step.
enum MemoryPicture {
  /// More rectangles than this would only blacken the picture: the smallest go.
  private static let shown = 1200

  static func svg(_ memory: MemoryTimeline) -> String {
    let steps = max(1, memory.stepCount)
    let top = max(memory.peakBytes, memory.lowerBound, 1)
    let (width, height, left, bottom) = (1100.0, 330.0, 78.0, 26.0)
    let (plotWidth, plotHeight) = (width - left - 10, height - bottom - 12)
    func x(_ step: Int) -> Double { left + plotWidth * Double(step) / Double(steps) }
    func y(_ bytes: Int) -> Double { 12 + plotHeight * (1 - Double(bytes) / Double(top)) }
    var out =
      "<svg viewBox=\"0 0 \(HTMLText.pixels(width)) \(HTMLText.pixels(height))\" width=\"\(HTMLText.pixels(width))\" "
      + "height=\"\(HTMLText.pixels(height))\" role=\"img\" aria-label=\"memory over the steps of the plan\">"
    for quarter in 0...4 {
      let bytes = top / 4 * quarter
      out +=
        "<line x1=\"\(HTMLText.pixels(left))\" x2=\"\(HTMLText.pixels(width - 10))\" y1=\"\(HTMLText.pixels(y(bytes)))\" "
        + "y2=\"\(HTMLText.pixels(y(bytes)))\" style=\"stroke:var(--hair)\"/>"
        + "<text class=\"d\" x=\"\(HTMLText.pixels(left - 8))\" y=\"\(HTMLText.pixels(y(bytes) + 4))\" text-anchor=\"end\">\(Figures.bytes(bytes))</text>"
    }
    let drawn = memory.blocks.sorted { area($0) > area($1) }.prefix(shown)
    let hasTitles = drawn.count <= 500
    for (index, block) in drawn.enumerated() {
      let (x0, x1) = (x(block.first), x(block.last + 1))
      let (y0, y1) = (y(block.offset + block.size), y(block.offset))
      guard x1 - x0 > 0.3, y1 - y0 > 0.2 else { continue }
      // Neighbours differ a little in strength, so that borders show without lines.
      let strength = [62, 48, 36][index % 3]
      let fill = block.isScratch ? "var(--scratch)" : "var(--kp)"
      out +=
        "<rect x=\"\(HTMLText.pixels(x0))\" y=\"\(HTMLText.pixels(y0))\" width=\"\(HTMLText.pixels(max(0.6, x1 - x0 - 0.5)))\" "
        + "height=\"\(HTMLText.pixels(max(0.4, y1 - y0 - 0.5)))\" style=\"fill:\(fill);opacity:.\(strength)\""
      if hasTitles {
        out +=
          "><title>\(HTMLText.escape(block.label)): \(Figures.bytes(block.size)), steps \(block.first) to \(block.last)</title></rect>"
      } else {
        out += "/>"
      }
    }
    let line = outline(memory.liveBytes, x: x, y: y)
    out += "<path d=\"\(line)\" style=\"fill:none;stroke:var(--ink);stroke-width:\(steps > 500 ? 0.7 : 1.3)\"/>"
    out +=
      "<line x1=\"\(HTMLText.pixels(left))\" x2=\"\(HTMLText.pixels(width - 10))\" y1=\"\(HTMLText.pixels(y(memory.lowerBound)))\" "
      + "y2=\"\(HTMLText.pixels(y(memory.lowerBound)))\" style=\"stroke:var(--bad);stroke-dasharray:5 4\"/>"
    for tick in 0...4 {
      let step = steps * tick / 4
      out +=
        "<text class=\"d\" x=\"\(HTMLText.pixels(x(step)))\" y=\"\(HTMLText.pixels(height - 8))\" text-anchor=\"\(tick == 0 ? "start" : tick == 4 ? "end" : "middle")\">"
        + "\(tick == 0 ? "step 0" : "\(step)")</text>"
    }
    return out + "</svg>"
  }

  /// What lives, step by step; of very many steps the most in each of some 500 columns.
  private static func outline(_ live: [Int], x: (Int) -> Double, y: (Int) -> Double) -> String {
    let stride = max(1, (live.count + 499) / 500)
    var line = ""
    var last = -1
    for first in Swift.stride(from: 0, to: live.count, by: stride) {
      let bytes = live[first..<min(live.count, first + stride)].max() ?? 0
      if line.isEmpty {
        line = "M\(HTMLText.pixels(x(0))) \(HTMLText.pixels(y(bytes)))"
      } else if bytes != last {
        line += "H\(HTMLText.pixels(x(first)))V\(HTMLText.pixels(y(bytes)))"
      }
      last = bytes
    }
    return line.isEmpty ? "M0 0" : line + "H\(HTMLText.pixels(x(live.count)))"
  }

  private static func area(_ block: MemoryTimeline.Block) -> Int {
    let (area, overflow) = block.size.multipliedReportingOverflow(by: block.last - block.first + 1)
    return overflow ? .max : area
  }
}
