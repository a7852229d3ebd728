public import InferenceRuntime
import Tensors

/// What this machine has of CUDA.
public struct CUDAProbe: Sendable {
  public let devices: [CUDADevice]
  /// Driver, devices, NVRTC, cuBLASLt and cuDNN, found or not.
  public let findings: [ProviderFinding]
  /// What stands between this machine and running kernels, in one clause; nil where nothing does.
  public let obstacle: String?

  /// Never throws: what cannot be had is a finding.
  public init(_ libraries: CUDALibraries = .shared) {
    var (devices, findings, obstacles): ([CUDADevice], [ProviderFinding], [String]) = ([], [], [])
    do {
      let driver = try libraries.driver.get()
      findings.append(
        ProviderFinding("CUDA driver", isFound: true, "for CUDA up to \(driver.version), \(driver.path)"))
      devices = try CUDADevice.all(driver)
      if devices.isEmpty { obstacles.append("the driver shows no device") }
      findings += devices.map {
        ProviderFinding("CUDA device \($0.ordinal)", isFound: true, Self.description($0, driver))
      }
    } catch {
      obstacles.append("\(error)")
      findings.append(
        ProviderFinding(findings.isEmpty ? "CUDA driver" : "CUDA device", isFound: false, "\(error)"))
    }
    switch libraries.compiler {
    case .success(let compiler):
      let most = compiler.architectures.max().map { ", architectures up to sm_\($0)" } ?? ""
      findings.append(ProviderFinding("NVRTC", isFound: true, "\(compiler.version)\(most), \(compiler.path)"))
    case .failure(let error):
      obstacles.append("\(error)")
      findings.append(ProviderFinding("NVRTC", isFound: false, "\(error)"))
    }
    switch libraries.products {
    case .success(let library):
      findings.append(ProviderFinding("cuBLASLt", isFound: true, "\(library.version), \(library.path)"))
    case .failure(let error):
      findings.append(ProviderFinding("cuBLASLt", isFound: false, "\(error); own kernels compute products"))
    }
    switch libraries.dnn {
    case .success(let dnn): findings.append(ProviderFinding("cuDNN", isFound: true, "\(dnn.version), \(dnn.path)"))
    case .failure(let error):
      findings.append(ProviderFinding("cuDNN", isFound: false, "\(error); own kernels compute convolutions"))
    }
    self.devices = devices
    self.findings = findings
    obstacle = obstacles.isEmpty ? nil : obstacles.joined(separator: "; ")
  }

  private static func description(_ device: CUDADevice, _ driver: CUDADriver) -> String {
    func gigabytes(_ bytes: Int) -> String {
      let tenths = Int((Double(bytes) / 0x1p30 * 10).rounded())
      return "\(tenths / 10).\(tenths % 10) GiB"
    }
    let available: String
    do { available = gigabytes(try device.availableMemory(driver)) + " free" } catch {
      available = "free memory not known: \(error)"
    }
    return "\(device.name), compute capability \(device.capability), \(device.multiprocessors) multiprocessors, "
      + "\(gigabytes(device.memory)), \(available)"
  }
}
