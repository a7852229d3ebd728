// A custom operator of a domain that Cameo does not know. To try it:
//
//     Tools/build-plugin Passes/Examples/SoftThreshold.swift -o libSoftThreshold.so
//     cameo run Passes/Examples/soft_threshold.onnx --input x=random --dim rows=2 --plugin ./libSoftThreshold.so

import GraphIR
import Operators
import PassKit
import Tensors

/// example.shrink.SoftThreshold: x moved towards zero by `threshold`, as far as zero. Of floating-point types.
struct SoftThreshold: Operator {
  let name = OperatorName("SoftThreshold", domain: "example.shrink")
  let traits: OperatorTraits = [.elementwise]

  /// What a node may look like: import checks it, and an absent attribute has the default.
  let signature: StaticString? = """
    D example.shrink 1
    O SoftThreshold 1 1 1 1 1
    a threshold float=0.5
    i X T
    o Y T
    c T tensor(*):float,double,float16,bfloat16
    """

  func infer(_ context: inout InferenceContext) throws {
    if let type = context.dataType(0), !type.isFloatingPoint {
      throw CameoError.badInput("input 0 is \(type), a floating-point type was expected")
    }
    context.set(0, context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let input = try context.tensor(0)
    let threshold = Double(try context.attributes.float("threshold"))
    let x = try ElementView<Double>(input)
    let y = try Tensor.make(input.dataType, input.shape, as: Double.self) { out in
      for index in 0..<x.count {
        let value = x[index]
        out[index] =
          value > threshold ? value - threshold : value < -threshold ? value + threshold : value.isNaN ? value : 0
      }
    }
    return [.tensor(y)]
  }
}

@c(cameo_plugin_register)
public func register(_ host: UnsafeRawPointer?, _ call: UInt64) -> Int32 {
  Plugin.register(call) { plugin in
    plugin.add(SoftThreshold())
  }
}
