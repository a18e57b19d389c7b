import CTorch
import Foundation

/// torchvision's kernels of RoIAlign and NMS for GPUs, loaded at run time. Without them RoIAlign is computed by matrix
/// products, and NMS on the CPU.
public enum TorchvisionLibrary {
  /// torchvision's C++ library. That of its Python package needs an interpreter in the process.
  public static let name = "libtorchvision.so"
  /// The environment variable with the path of the file, if it does not lie beside LibTorch.
  public static let variable = "MOCO_TORCHVISION_LIBRARY"

  /// Nil if the kernels are there (the library is loaded once); otherwise the reason why not.
  public static let loadError: String? = {
    if case .unavailable(let reason) = Runtime.cuda { return "no GPU can be used: \(reason)" }
    return loadError(environment: ProcessInfo.processInfo.environment)
  }()

  static func loadForUse(on device: Device) {
    if case .cuda = device { _ = loadError }
  }

  static func loadError(environment: [String: String]) -> String? {
    let message = ct_torchvision_open(environment[variable] ?? name).map { String(cString: $0) }
    return message.map { "\($0). \(variable)=FILE names torchvision's C++ library, built for this LibTorch" }
  }
}
