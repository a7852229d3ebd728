import Cameo
import PassKit

#if canImport(Glibc)
  import Glibc
#endif

/// Ends the process where a plugin's pass does not come to an end by itself: nothing else can stop code that loops. No output
/// file is there yet, and files are never written in place.
enum PluginWatch {
  // Set once, before anything runs.
  nonisolated(unsafe) static var seconds = 0.0
  // What the signal handler prints: it may not allocate. Written only while the timer is off.
  nonisolated(unsafe) private static var message: UnsafeMutableBufferPointer<UInt8>?

  /// Told each pass's name before it runs; the timer runs for those of plugins.
  static func enter(pass name: String) {
    leave()
    guard seconds > 0, let plugin = Plugin.loaded.first(where: { $0.passes.contains { $0.pass.name == name } }) else {
      return
    }
    let error = CameoError.limit("it has not come to an end in \(Figures.short(seconds)) s (--plugin-timeout)")
      .within("pass \(name)").within("plugin \(plugin.path)")
    let text = Array("cameo: error: \(error)\n".utf8)
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.count)
    _ = buffer.initialize(from: text)
    message = buffer
    signal(SIGALRM) { _ in PluginWatch.giveUp() }
    // Whoever started this process may have left it blocked.
    var alarm = sigset_t()
    sigemptyset(&alarm)
    sigaddset(&alarm, SIGALRM)
    pthread_sigmask(SIG_UNBLOCK, &alarm, nil)
    set(seconds)
  }

  /// Stops the timer.
  static func leave() {
    guard message != nil else { return }
    set(0)
    message?.deallocate()
    message = nil
  }

  private static func set(_ seconds: Double) {
    var value = itimerval()
    value.it_value.tv_sec = Int(seconds)
    value.it_value.tv_usec = Int((seconds - seconds.rounded(.down)) * 1e6)
    setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &value, nil)
  }

  private static func giveUp() {
    if let message { _ = write(STDERR_FILENO, message.baseAddress, message.count) }
    _exit(2)
  }
}

extension Optimizer {
  /// Optimizes with an eye on the passes of plugins: one that fails is an error, one that does not end ends the process.
  mutating func optimizeWatched(
    _ model: Model, keepGoing: Bool = false, progress: (@Sendable (String) -> Void)? = nil
  ) throws -> (model: Model, report: OptimizationReport) {
    self.progress = {
      progress?($0)
      PluginWatch.enter(pass: $0)
    }
    defer { PluginWatch.leave() }
    let result = try optimize(model)
    if !keepGoing { try PluginArguments.check(result.report) }
    return result
  }
}
