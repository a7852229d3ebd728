import Tensors

/// Inputs and outputs in a device's memory: a run copies nothing of them.
extension Binding {
  /// Reads input `name` from memory of the device in every run. Throws `.unsupported` where a step of the host reads it, too.
  public func bind(input name: String, onDevice memory: DeviceStorage) throws {
    guard let index = session.inputs.firstIndex(where: { $0.name == name }) else {
      throw CameoError.badInput("the model has no input \(name)")
    }
    guard let port = portOfInput[index], let operand = stage.plan.inputs[port].operand else { return }
    guard !stage.plan.inputPatches.contains(where: { $0.port == port }) else {
      throw CameoError.unsupported("input \(name) on the device: a step of the host reads it")
    }
    guard memory.byteCount >= operand.byteCount else {
      throw CameoError.badInput("input \(name) needs \(operand.byteCount) bytes, \(memory.byteCount) are there")
    }
    context.bind(deviceInput: port, to: memory.address)
    kept.append(memory)
  }

  /// Copies the tensor to the device once and reads it there in every run.
  public func bindOnDevice(input name: String, to tensor: Tensor) throws {
    guard let device = stage.plan.device else { return try bind(input: name, to: tensor) }
    let memory = try device.memory(byteCount: max(1, tensor.byteCount))
    try tensor.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, bytes.count > 0 else { return }
      try device.upload(base, to: memory.address, byteCount: bytes.count)
    }
    try bind(input: name, onDevice: memory)
  }

  /// Makes memory on the device that every run writes output `name` to. Throws `.unsupported` where a step of the host makes it.
  public func bindOutputOnDevice(_ name: String) throws -> DeviceStorage {
    guard let index = session.outputs.firstIndex(where: { $0.name == name }) else {
      throw CameoError.badInput("the model has no output \(name)")
    }
    guard let device = stage.plan.device, case .port(let port) = stage.results[index],
      let operand = stage.plan.outputs[port].operand,
      stage.plan.deviceOutputPatches.contains(where: { $0.port == port })
    else { throw CameoError.unsupported("output \(name) on the device: a step of the host makes it") }
    let memory = try device.memory(byteCount: max(1, operand.byteCount))
    context.bind(deviceOutput: port, to: memory.address)
    kept.append(memory)
    return memory
  }

  /// Keeps a cache on the device: reads the input `past` where `memory` is and writes its output there, [..., capacity, size].
  public func bind(cache past: String, onDevice memory: DeviceStorage) throws {
    guard let cache = caches.first(where: { $0.past == past }),
      let input = session.inputs.firstIndex(where: { $0.name == past }),
      let output = session.outputs.firstIndex(where: { $0.name == cache.present }),
      case .port(let target) = stage.results[output]
    else { throw CameoError.badInput("the binding was made without a cache \(past)") }
    let plan = stage.plan
    let isOnDevice = plan.deviceOutputPatches.contains { $0.port == target }
    guard isOnDevice, !plan.inputPatches.contains(where: { $0.port == portOfInput[input] }) else {
      throw CameoError.unsupported("cache \(past) on the device: a step of the host reads or writes it")
    }
    let (type, shape) = outputTypes[output]
    let rows = shape.dropLast(2) + [cache.capacity, shape[shape.count - 1]]
    let bytes = type.byteCount(elements: try Tensor.elementCount(Array(rows))) ?? 0
    guard memory.byteCount >= bytes else {
      throw CameoError.badInput("cache \(past) needs \(bytes) bytes, \(memory.byteCount) are there")
    }
    if let port = portOfInput[input] { context.bind(deviceInput: port, to: memory.address) }
    context.bind(deviceOutput: target, to: memory.address)
    kept.append(memory)
  }

  /// The same, starting with what `tensor` holds.
  public func bindOnDevice(cache past: String, to tensor: Tensor) throws {
    guard let device = stage.plan.device else {
      throw CameoError.unsupported("cache \(past) on the device: no step of the plan is on one")
    }
    let memory = try device.memory(byteCount: max(1, tensor.byteCount))
    try tensor.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, bytes.count > 0 else { return }
      try device.upload(base, to: memory.address, byteCount: bytes.count)
    }
    try bind(cache: past, onDevice: memory)
  }
}
