import GraphIR
import Tensors
import Testing

@testable import ONNXFormat

@Suite struct ElementTypeTests {
  /// A tensor of `type` whose bytes are all different; sizes on both sides of the limits of copying.
  private func sample(_ type: DataType, count: Int) throws -> Tensor {
    if type == .string { return try Tensor(strings: (0..<count).map { "text \($0) ä" }, shape: [count]) }
    return try Tensor.makeRaw(type, [count]) { out in
      for index in out.indices { out[index] = UInt8(truncatingIfNeeded: index * 37 + 11) }
      // Bits beyond the last element are zero.
      let used = count * type.bitWidth % 8
      if used > 0 { out[out.count - 1] &= UInt8((1 << used) - 1) }
    }
  }

  @Test(arguments: DataType.allCases, [0, 1, 5, 7, 4096])
  func initializersSurvive(_ type: DataType, _ count: Int) throws {
    var graph = Graph(name: "g")
    let value = graph.addConstant(try sample(type, count: count), name: "w")
    graph.setOutputs([value])
    var model = Model(graph: graph)
    model.opsets = ["": 24]
    let loaded = try ONNXImporter.load(bytes: ONNXExporter.serialize(model))
    let tensor = try #require(loaded.graph.constant(loaded.graph.outputs[0]))
    #expect(tensor.isIdentical(to: try sample(type, count: count)))
    try loaded.graph.verify()
  }

  /// The typed fields of TensorProto, as older exporters write them.
  @Test func typedFields() throws {
    func load(_ type: DataType, _ shape: [Int64], _ build: (inout Proto) -> Void) throws -> Tensor {
      let tensor = Proto { tensor in
        for dim in shape { tensor.int(1, dim) }
        tensor.int(2, Int64(type.rawValue))
        tensor.text(8, "y")
        build(&tensor)
      }
      let model = Proto.model(Proto.graph(nodes: [], inputs: []) { $0.message(5, tensor) }, ir: 14, opset: 28)
      let loaded = try ONNXImporter.load(bytes: model)
      return try #require(loaded.graph.constant(loaded.graph.outputs[0]))
    }
    func packed(_ field: Int, _ values: [Int64]) -> (inout Proto) -> Void {
      { $0.writer.int64s(field, values, packed: true) }
    }
    for type in [DataType.int32, .int16, .int8] {
      #expect(try load(type, [3], packed(5, [-1, 0, 100])).ints() == [-1, 0, 100])
    }
    for type in [DataType.uint16, .uint8] { #expect(try load(type, [2], packed(5, [0, 200])).ints() == [0, 200]) }
    #expect(try load(.bool, [3], packed(5, [1, 0, 1])).ints() == [1, 0, 1])
    #expect(try load(.int64, [2], packed(7, [-5, 1 << 40])).ints() == [-5, 1 << 40])
    #expect(try load(.uint64, [1], packed(11, [7])).ints() == [7])
    #expect(try load(.uint32, [1], packed(11, [4_000_000_000])).ints() == [4_000_000_000])
    #expect(try load(.float16, [2], packed(5, [0x3c00, 0xc000])).elements(as: Float.self) == [1, -2])
    #expect(try load(.bfloat16, [1], packed(5, [0x3f80])).elements(as: Float.self) == [1])
    #expect(try load(.float8e4m3fn, [1], packed(5, [0x38])).elements(as: Float.self) == [1])
    // Two (four) elements a byte, low bits first.
    #expect(try load(.uint4, [3], packed(5, [0x21, 0x03])).ints() == [1, 2, 3])
    #expect(try load(.int4, [2], packed(5, [0xf1])).ints() == [1, -1])
    #expect(try load(.uint2, [5], packed(5, [0b11_10_01_00, 0b10])).ints() == [0, 1, 2, 3, 2])
    #expect(try load(.float, [2]) { $0.writer.floats(4, [0.5, -1]) }.elements(as: Float.self) == [0.5, -1])
    #expect(try load(.complex64, [1]) { $0.writer.floats(4, [0.5, -1]) }.byteCount == 8)
    let raw = try load(.float6e2m3, [5]) { $0.writer.int64s(5, [1, 2, 3, 4, 5], packed: true) }
    #expect(raw.withUnsafeBytes { Array($0) } == [0x81, 0x30, 0x10, 0x05])
    let error = failure { _ = try load(.int32, [3], packed(5, [1, 2])) }
    #expect(error?.description.contains("tensor y") == true)
  }

  @Test func wrongSizesAreRefused() {
    for (shape, bytes) in [([2], 4), ([3], 8), ([-1], 4), ([1 << 40, 1 << 40], 8)] as [([Int64], Int)] {
      let tensor = Proto { tensor in
        for dim in shape { tensor.int(1, dim) }
        tensor.int(2, 1)
        tensor.text(8, "y")
        tensor.writer.bytes(9, [UInt8](repeating: 0, count: bytes))
      }
      let model = Proto.model(Proto.graph(nodes: [], inputs: []) { $0.message(5, tensor) })
      #expect(failure { _ = try ONNXImporter.load(bytes: model) }?.description.contains("tensor y") == true)
    }
  }

  @Test func attributesSurvive() throws {
    var graph = Graph(name: "g")
    let x = graph.addValue(name: "x", type: .tensor(.float, ["n", 3].map { $0 as? Int == 3 ? Dim(3) : .symbol("n") }))
    graph.addInput(x)
    let y = graph.addValue(name: "y")
    let tensor = try floats(4)
    let sparse = SparseTensor(values: try floats(2), indices: try .ints([1, 3]), shape: [4])
    let attributes: [(String, Attribute)] = [
      ("a", .int(-7)), ("b", .float(.nan)), ("c", .string("täxt\n")), ("d", .bytes([0xff, 0])), ("e", .tensor(tensor)),
      ("f", .sparse(sparse)), ("g", .type(.sequence(.tensor(.int64, [.symbol("n"), 2])))), ("h", .ints([])),
      ("i", .ints([1, -1])),
      ("j", .floats([0, -0.0])), ("k", .strings(["", "x"])), ("l", .tensors([tensor, tensor])),
      ("m", .sparses([sparse])),
      ("n", .types([.optional(.tensor(.float, nil)), .map(.string, .tensor(.float, []))])),
      ("o", .type(.opaque(domain: "d", name: "o"))),
    ]
    graph.addNode(
      OperatorName("Mystery", domain: "test"), name: "m", inputs: [x, nil, x], outputs: [nil, y],
      attributes: attributes.map { NamedAttribute($0.0, $0.1, documentation: "doc \($0.0)") }, overload: "")
    graph.setOutputs([y])
    var model = Model(graph: graph)
    model.opsets = ["": 21, "test": 3]
    let loaded = try ONNXImporter.load(bytes: ONNXExporter.serialize(model))
    let node = loaded.graph[loaded.graph.nodes[0]]
    #expect(node.inputs.map { $0.map { loaded.graph[$0].name } } == ["x", nil, "x"])
    #expect(node.outputs.map { $0 == nil } == [true, false])
    #expect(loaded.opsets == ["": 21, "test": 3])
    for ((name, value), found) in zip(attributes, node.attributes) {
      #expect(found.name == name && found.documentation == "doc \(name)")
      switch (value, found.value) {
      case (.sparse(let a), .sparse(let b)):
        #expect(a.values.isIdentical(to: b.values) && a.indices.isIdentical(to: b.indices) && a.shape == b.shape)
      case (.sparses(let a), .sparses(let b)): #expect(a.count == b.count)
      default: #expect(value.isIdentical(to: found.value), "\(name)")
      }
    }
  }
}
