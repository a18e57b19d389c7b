import Files
import Foundation
import Torch

/// The kernels that compute on a CPU: with the same, a run that was broken off ends in the same bits.
enum Kernels {
  /// The version of this package's own kernels: of the sizes of their blocks, and of the order of their sums.
  /// Raise it by hand with every change of those (`Sources/CTorch/kernels`).
  private static let blocks = 6

  /// LibTorch's version, its vector width, the processor, by which its libraries choose among theirs, the
  /// library of products unless it is LibTorch's BLAS, which old checkpoints do not name, and this package's
  /// blocks. Nil on a GPU, where bits are not promised.
  static func here(on device: Device, products: ProductLibrary = .current) -> String? {
    guard device == .cpu else { return nil }
    return [
      "LibTorch \(Runtime.version)", "\(Runtime.cpuCapability) kernels", processor,
      products == .blas ? nil : "products by \(products)", "blocks \(blocks)",
    ].compactMap(\.self).joined(separator: ", ")
  }

  /// A sentence for a run that goes on with other kernels than it began with.
  static func change(from began: String, to now: String?) -> String? {
    guard began != now else { return nil }
    return
      "The run began with \(began), and goes on with \(now ?? "a GPU"). It continues, but not bit for bit."
  }

  private static var processor: String? {
    (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)).flatMap(processor(in:))
  }

  /// Maker, family and model in the text of `/proc/cpuinfo`; nil where it names none.
  static func processor(in text: String) -> String? {
    var values: [String: String] = [:]
    for line in text.split(separator: "\n").prefix(64) {
      let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      if parts.count == 2, values[parts[0]] == nil { values[parts[0]] = parts[1] }
    }
    guard let maker = values["vendor_id"], let family = values["cpu family"], let model = values["model"]
    else { return nil }
    return "\(maker) family \(family) model \(model)"
  }
}
