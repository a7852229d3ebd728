internal import CPlugin
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension Plugin {
  static let entryPoint = "cameo_plugin_register"

  /// Loads a plugin and registers what it brings, for the rest of the process: nothing is ever unloaded. A file that has been
  /// loaded already is not loaded again.
  ///
  /// `reserved`: names of passes that it must not use, those of the host's own. Throws one line that starts with "plugin PATH":
  /// the file is missing, is no library, has no entry point, was built against another Cameo, registers what exists, or says
  /// itself why it failed; nothing of it is registered then.
  @discardableResult
  public static func load(path: String, reserved: Set<String> = []) throws -> Plugin {
    try within("plugin \(path)") {
      guard let resolved = realpath(path, nil) else {
        throw CameoError.system("cannot open it: \(String(cString: strerror(errno)))")
      }
      defer { free(resolved) }
      let file = String(cString: resolved)
      if let known = table.withLock({ $0.first { $0.file == file }?.plugin }) { return known }
      try check(file: file)
      let entry = try open(file)
      let registrar = PluginRegistrar()
      try PluginCall.make(.registration(registrar)) { call in
        try call.finish(entry(HostTable.pointer, call.id))
      }
      return try table.withLock { loaded in
        if let known = loaded.first(where: { $0.file == file })?.plugin { return known }
        try check(registrar.passes, reserved, loaded.map(\.plugin))
        try OperatorRegistry.add(registrar.operators)
        let plugin = Plugin(path: path, passes: registrar.passes, operators: registrar.operators.map(\.op.name))
        loaded.append((file, plugin))
        return plugin
      }
    }
  }

  /// Everything that can be known without running code of the library.
  private static func check(file: String) throws {
    let mapped: MappedFile
    do { mapped = try MappedFile(path: file) } catch let error as CameoError {
      throw CameoError.system(error.reason)
    }
    #if os(Linux)
      guard mapped.bytes.prefix(4).elementsEqual([0x7f, 0x45, 0x4c, 0x46]) else {
        throw CameoError.badInput("it is no shared library")
      }
    #endif
    guard let built = PluginInterface.find(in: mapped.bytes) else { return }
    guard built == PluginInterface.current else {
      throw CameoError.system(
        "it was built against another Cameo (\(built)); this one is \(PluginInterface.current): "
          + "build it again with Tools/build-plugin")
    }
    guard cameo_swift_runtime_is_shared() else {
      throw CameoError.unsupported(
        "it is written in Swift and this program has the Swift runtime linked into itself (--static-swift-stdlib): "
          + "use a program built without that, or a plugin in C")
    }
  }

  private typealias Entry = @convention(c) (UnsafePointer<cameo_host>?, UInt64) -> Int32

  private static func open(_ file: String) throws -> Entry {
    // Bound now: what is missing is said here and does not end the process later.
    guard let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "the loader gives no reason"
      let isOurs = reason.contains("undefined symbol: $s")
      throw CameoError.system(
        "it cannot be loaded: \(reason)"
          + (isOurs ? " (a program that loads plugins is linked with --export-dynamic)" : ""))
    }
    guard let symbol = dlsym(handle, entryPoint) else {
      throw CameoError.badInput("it has no entry point \(entryPoint)")
    }
    return unsafeBitCast(symbol, to: Entry.self)
  }

  private static func check(_ passes: [PlacedPass], _ reserved: Set<String>, _ loaded: [Plugin]) throws {
    var seen: Set<String> = []
    for placed in passes {
      let name = placed.pass.name
      if name.isEmpty { throw CameoError.badInput("it registers a pass without a name") }
      if placed.pass.level < 1 {
        throw CameoError.badInput("pass \(name) has the level \(placed.pass.level), 1 or more was expected")
      }
      if reserved.contains(name) { throw CameoError.badInput("pass \(name) is built in") }
      if let other = loaded.first(where: { $0.passes.contains { $0.pass.name == name } }) {
        throw CameoError.badInput("pass \(name) is already registered by plugin \(other.path)")
      }
      if !seen.insert(name).inserted { throw CameoError.badInput("it registers two passes named \(name)") }
    }
  }
}
