import CTorch
import Foundation

/// The CUDA-only part of this package, NCCL and CUDA graphs, as a separate library: training on a CPU needs
/// neither it nor CUDA. `scripts/cuda-library` builds it.
public enum CUDALibrary {
  public static let name = "libmoco_cuda.so"
  /// The environment variable with the path of the file, if it is in another place.
  public static let variable = "MOCO_CUDA_LIBRARY"

  /// Why NCCL and CUDA graphs cannot be used.
  public struct Unavailable: Error, Equatable, CustomStringConvertible {
    public let description: String
  }

  /// Nil if the library is loaded (it is loaded once); otherwise the reason why it cannot be used.
  public static let loadError: Unavailable? = {
    if case .unavailable(let reason) = Runtime.cuda {
      return Unavailable(description: "no GPU can be used: \(reason)")
    }
    let program = Bundle.main.executablePath ?? ""
    return loadError(at: places(program: program, environment: ProcessInfo.processInfo.environment))
  }()

  /// The possible paths: the variable's, if it is set; otherwise beside the program, or in a checkout's
  /// `.build/cuda`.
  static func places(program: String, environment: [String: String]) -> [String] {
    if let named = environment[variable] { return [named] }
    let folder = URL(fileURLWithPath: program).resolvingSymlinksInPath().deletingLastPathComponent()
    let build = folder.deletingLastPathComponent().deletingLastPathComponent()  // of .build/x86_64-…/release
    return [folder, build.appending(path: "cuda")].map { $0.appending(path: name).path }
  }

  /// Loads the first of the files that exists.
  static func loadError(at places: [String]) -> Unavailable? {
    guard let path = places.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      return Unavailable(
        description:
          "\(places.joined(separator: " and ")): there is no such file. `scripts/cuda-library` builds "
          + "\(name), for NCCL and CUDA graphs, and \(variable)=FILE names one that lies elsewhere.")
    }
    var text: UnsafePointer<CChar>?
    let outcome = ct_cuda_library_open(path, &text)
    let message = text.map { String(cString: $0) } ?? ""
    let remedy = "Build it anew: `scripts/cuda-library`."
    switch outcome {
    case CT_LIBRARY_LOADED: return nil
    case CT_LIBRARY_NOT_OURS:
      return Unavailable(
        description: "\(path): this is no library of moco: it has no function ct_cuda_library. \(remedy)")
    case CT_LIBRARY_VERSION_MISMATCH:
      return Unavailable(description: "\(path): it was made for \(message). \(remedy)")
    default:
      return Unavailable(
        description: "\(path): it cannot be loaded with this LibTorch: \(message). \(remedy)")
    }
  }
}
