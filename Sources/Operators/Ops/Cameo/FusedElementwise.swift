public import GraphIR
import Tensors

/// ai.cameo.FusedElementwise(x0, x1, ...): a chain of element-wise operators that broadcast into one shape, at most one
/// reduction over the last axes at its end, computed without storing what lies between.
///
/// The attribute `body` is a graph of the original operators: its inputs are the node's, it reads nothing else from outside,
/// its one output is the node's. The node means what the body means. An exported file has the body as a function of the
/// domain and the node as its call (`ONNXExporter`), import inlines it again.
public struct FusedElementwise: Operator {
  public static let operatorName = OperatorName("FusedElementwise", domain: "ai.cameo")
  /// The attribute that holds the body.
  public static let body = "body"

  public let name = FusedElementwise.operatorName
  public let traits: OperatorTraits = .controlFlow

  public var signature: StaticString? {
    """
    D ai.cameo 1
    O FusedElementwise 1 1 * 1 1
    a body graph!
    i~1 inputs V
    o output R
    c V tensor(*):float,float16,bfloat16,double,int8,int16,int32,int64,uint8,uint16,uint32,uint64,bool
    c R tensor(*):float,float16,bfloat16,double,int8,int16,int32,int64,uint8,uint16,uint32,uint64,bool
    """
  }

  public static func `is`(_ node: Node) -> Bool { node.operatorName == operatorName }

  public func infer(_ context: inout InferenceContext) throws {
    let region = try context.attributes.region(FusedElementwise.body)
    let facts = try context.infer(body: region, inputs: context.inputs.map { $0 ?? .unknown })
    guard facts.count == 1 else { throw CameoError.badInput("the body has \(facts.count) outputs, 1 was expected") }
    context.set(0, facts[0])
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let region = try context.attributes.region(FusedElementwise.body)
    return try context.run(body: region, inputs: context.inputs)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(FusedElementwise(), to: $0) })
