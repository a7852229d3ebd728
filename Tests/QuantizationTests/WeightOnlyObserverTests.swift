import Quantization
import Tensors
import Testing

@Suite struct WeightOnlyObserverTests {
  @Test func theGramMatrixIsTheMeanOfAllRows() throws {
    var draw = Draw(1)
    let observer = GramObserver()
    let channels = ChannelMoments(axis: -1)
    let width = 70
    var rows: [[Float]] = []
    for count in [3, 1, 40] {
      let values = draw.normals(count * width)
      rows += (0..<count).map { Array(values[$0 * width..<($0 + 1) * width]) }
      for observer in [observer, channels] as [any ValueObserver] {
        try observer.observe(.of(values, .float, shape: [count, 1, width]))
      }
    }
    #expect(observer.count == 44 && observer.depth == width && channels.count == 44)
    var worst: Float = 0
    for i in 0..<width {
      for j in 0..<width {
        let expected = rows.reduce(0) { $0 + $1[i] * $1[j] } / 44
        worst = max(worst, (observer.gram[i * width + j] - expected).magnitude)
      }
    }
    #expect(worst < 1e-5)
    let summary = try #require(channels.summary)
    for index in 0..<width {
      #expect((summary.meanMagnitude[index] - rows.reduce(0) { $0 + $1[index].magnitude } / 44).magnitude < 1e-5)
      #expect(summary.magnitude[index] == rows.map { $0[index].magnitude }.max())
    }
  }

  @Test func nothingIsTakenThatCannotBe() throws {
    for observer in [GramObserver(), ChannelMoments(axis: -1)] as [any ValueObserver] {
      try observer.observe(.of([1, 2, 3] as [Float], .float))
      #expect(throws: CameoError.self) { try observer.observe(.of([1, 2] as [Float], .float)) }
      #expect(throws: CameoError.self) { try observer.observe(.of([1, .nan, 3] as [Float], .float)) }
      #expect(throws: CameoError.self) { try observer.observe(.scalar(1 as Float, .float)) }
      #expect(throws: CameoError.self) { try observer.observe(.ints([1, 2, 3])) }
    }
    let wide = GramObserver()
    #expect(throws: CameoError.self) {
      try wide.observe(.of([Float](repeating: 0, count: GramObserver.greatestDepth + 1), .float))
    }
  }
}
