import Quantization
import Tensors
import Testing

@Suite struct ObserverTests {
  private final class Counting: ValueObserver {
    var elements = 0
    func observe(_ tensor: Tensor) { elements += tensor.count }
  }

  @Test func anObserverSeesEachTensor() throws {
    let counting = Counting()
    let observer: any ValueObserver = counting
    try observer.observe(try Tensor.of([1, 2, 3], .float, shape: [3]))
    try observer.observe(try Tensor.of([1, 2, 3, 4], .float, shape: [2, 2]))
    #expect(counting.elements == 7)
  }
}
