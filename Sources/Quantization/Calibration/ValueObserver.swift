public import Tensors

/// Takes note of one value of a graph while a calibration set runs through it.
///
/// An observer holds memory that depends on neither the number of samples nor their shapes. It is called from one thread at a time;
/// the tensor's memory is the run's and must not be kept.
public protocol ValueObserver: AnyObject {
  /// The value in one more run. Throws where it cannot be observed (an element type, numbers that are not finite).
  func observe(_ tensor: Tensor) throws
}
