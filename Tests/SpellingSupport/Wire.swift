import Tensors
import TestSupport

extension Wire {
  /// A TensorProto.
  static func tensor(_ tensor: Tensor, name: String = "") -> Wire {
    var wire = Wire()
    for dim in tensor.shape { wire.int(1, dim) }
    wire.int(2, Int(tensor.dataType.rawValue))
    if !name.isEmpty { wire.text(8, name) }
    wire.data(9, tensor.withUnsafeBytes { Array($0) })
    return wire
  }

  /// A ValueInfoProto; nil dimensions are unknown, texts symbols.
  static func value(_ name: String, _ type: DataType, _ shape: [Size]) -> Wire {
    var dims = Wire()
    for size in shape {
      var dim = Wire()
      if let symbol = size.symbol { dim.text(2, symbol) } else { dim.int(1, size.value) }
      dims.message(1, dim)
    }
    var tensor = Wire()
    tensor.int(1, Int(type.rawValue))
    tensor.message(2, dims)
    var holder = Wire()
    holder.message(1, tensor)
    var wire = Wire()
    wire.text(1, name)
    wire.message(2, holder)
    return wire
  }
}

/// A dimension: what it is in this run, and the symbol that the file states in its place where it is open.
public struct Size: Sendable {
  public let value: Int
  public let symbol: String?

  init(_ value: Int, _ symbol: String? = nil) {
    self.value = value
    self.symbol = symbol
  }
}

/// An attribute of a node as the file has it.
enum Attr {
  case int(String, Int)
  case ints(String, [Int])
  case float(String, Float)
  case text(String, String)
  case tensor(String, Tensor)
  case graph(String, Wire)

  var wire: Wire {
    var wire = Wire()
    switch self {
    case .int(let name, let value):
      wire.text(1, name)
      wire.int(3, value)
      wire.int(20, 2)
    case .ints(let name, let values):
      wire.text(1, name)
      for value in values { wire.int(8, value) }
      wire.int(20, 7)
    case .float(let name, let value):
      wire.text(1, name)
      wire.float(2, value)
      wire.int(20, 1)
    case .text(let name, let value):
      wire.text(1, name)
      wire.text(4, value)
      wire.int(20, 3)
    case .graph(let name, let value):
      wire.text(1, name)
      wire.message(6, value)
      wire.int(20, 5)
    case .tensor(let name, let value):
      wire.text(1, name)
      wire.message(5, .tensor(value))
      wire.int(20, 4)
    }
    return wire
  }
}
