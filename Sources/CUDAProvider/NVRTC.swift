internal import CCUDA
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The compiler for CUDA C++ that is a library. Its functions may be called from any thread, several at once.
public struct NVRTC: @unchecked Sendable {
  private let table: UnsafePointer<cameo_nvrtc>
  public let version: CUDAVersion
  public let path: String
  /// Compute capabilities that it compiles for, as in sm_90: 90.
  public let architectures: [Int]

  init(_ table: UnsafePointer<cameo_nvrtc>) throws {
    self.table = table
    path = String(cString: table.pointee.path)
    var (major, minor, count): (Int32, Int32, Int32) = (0, 0, 0)
    try Self.check(table.pointee.version(&major, &minor), "nvrtcVersion", table)
    version = CUDAVersion(Int(major), Int(minor))
    try Self.check(table.pointee.supported_architecture_count(&count), "nvrtcGetNumSupportedArchs", table)
    var list = [Int32](repeating: 0, count: Int(max(0, count)))
    if !list.isEmpty { try Self.check(table.pointee.supported_architectures(&list), "nvrtcGetSupportedArchs", table) }
    architectures = list.map(Int.init)
  }

  /// The CUBIN of `source`, and what NVRTC says about it. Throws `.badInput` with NVRTC's log where the source is wrong,
  /// `.unsupported` where an option is.
  func compile(_ source: String, name: String, options: [String]) throws -> (image: [UInt8], log: String) {
    var created: cameo_nvrtc_program?
    try check(table.pointee.create(&created, source, name, 0, nil, nil), "nvrtcCreateProgram")
    guard let program = created else { throw CameoError.system("nvrtcCreateProgram gave no program") }
    defer { _ = table.pointee.destroy(&created) }
    let code = Self.withCStrings(options) { table.pointee.compile(program, Int32($0.count), $0.baseAddress) }
    // The log is there after an error, too; it ends with a zero.
    let log = try bytes(program, table.pointee.log_size, table.pointee.log, "nvrtcGetProgramLog")
    let text = String(decoding: log.prefix { $0 != 0 }, as: UTF8.self)
    switch Int(code) {
    case 0: break
    case CAMEO_NVRTC_ERROR_COMPILATION:
      throw CameoError.badInput("NVRTC \(version): \(text.prefix(8192))")
    case CAMEO_NVRTC_ERROR_INVALID_OPTION:
      throw CameoError.unsupported(
        "NVRTC \(version) refuses one of the options \(options.joined(separator: " ")): \(text.prefix(8192))")
    default: try check(code, "nvrtcCompileProgram")
    }
    let image = try bytes(program, table.pointee.image_size, table.pointee.image, "nvrtcGetCUBIN")
    guard !image.isEmpty else {
      throw CameoError.unsupported("NVRTC \(version) makes no CUBIN with \(options.joined(separator: " "))")
    }
    return (image, text)
  }

  /// Asks for a size, then for so many bytes.
  private func bytes(
    _ program: cameo_nvrtc_program, _ size: (cameo_nvrtc_program, UnsafeMutablePointer<Int>) -> Int32,
    _ get: (cameo_nvrtc_program, UnsafeMutablePointer<CChar>) -> Int32, _ function: String
  ) throws -> [UInt8] {
    var count = 0
    try check(size(program, &count), function + "Size")
    guard count > 0 else { return [] }
    var code: Int32 = 0
    let result = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      buffer.initialize(repeating: 0)
      filled = count
      guard let base = UnsafeMutableRawPointer(buffer.baseAddress) else { return }
      code = get(program, base.assumingMemoryBound(to: CChar.self))
    }
    try check(code, function)
    return result
  }

  private func check(_ code: Int32, _ function: String) throws { try Self.check(code, function, table) }

  private static func check(_ code: Int32, _ function: String, _ table: UnsafePointer<cameo_nvrtc>) throws {
    guard code != 0 else { return }
    let text = table.pointee.get_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    throw CameoError.system("\(function): \(text)")
  }

  private static func withCStrings<R>(
    _ strings: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> R
  ) -> R {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return copies.map { UnsafePointer($0) }.withUnsafeBufferPointer(body)
  }
}
