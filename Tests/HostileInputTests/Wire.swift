import TestSupport

/// Messages of ONNX, right or wrong: hostile files are made by hand.
extension Wire {
  static func model(opset: Int64 = 17, ir: Int64 = 8, _ graph: Wire) -> [UInt8] {
    Wire {
      $0.int(1, ir)
      $0.message(7, graph)
      $0.message(8, Wire { $0.int(2, opset) })
    }.bytes
  }

  static func graph(
    nodes: [Wire], inputs: [Wire] = [], outputs: [Wire], initializers: [Wire] = []
  ) -> Wire {
    Wire { wire in
      for node in nodes { wire.message(1, node) }
      wire.text(2, "g")
      for initializer in initializers { wire.message(5, initializer) }
      for input in inputs { wire.message(11, input) }
      for output in outputs { wire.message(12, output) }
    }
  }

  static func node(
    _ type: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "",
    attributes: [Wire] = []
  ) -> Wire {
    Wire { wire in
      for input in inputs { wire.text(1, input) }
      for output in outputs { wire.text(2, output) }
      wire.text(3, name)
      wire.text(4, type)
      for attribute in attributes { wire.message(5, attribute) }
      wire.text(7, domain)
    }
  }

  static func value(_ name: String, _ type: Int64 = 1, _ dims: [Int64]? = [2]) -> Wire {
    Wire { wire in
      wire.text(1, name)
      wire.message(
        2,
        Wire {
          $0.message(
            1,
            Wire { tensor in
              tensor.int(1, type)
              if let dims {
                tensor.message(2, Wire { shape in for dim in dims { shape.message(1, Wire { $0.int(1, dim) }) } })
              }
            })
        })
    }
  }

  static func tensor(_ name: String, _ type: Int64 = 1, _ dims: [Int64], raw: [UInt8]) -> Wire {
    Wire { wire in
      for dim in dims { wire.int(1, dim) }
      wire.int(2, type)
      wire.text(8, name)
      wire.data(9, raw)
    }
  }

  static func external(_ name: String, _ location: String, offset: String = "0", length: String = "8") -> Wire {
    Wire { wire in
      wire.int(1, 2)
      wire.int(2, 1)
      wire.text(8, name)
      for (key, value) in [("location", location), ("offset", offset), ("length", length)] {
        wire.message(
          13,
          Wire {
            $0.text(1, key); $0.text(2, value)
          })
      }
      wire.int(14, 1)
    }
  }

  static func int64s(_ values: [Int64]) -> [UInt8] {
    values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> Int64(8 * $0)) } }
  }
}
