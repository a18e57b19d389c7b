import ArgumentParser
import Files
import Foundation
import Images
import Torch

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show what this machine has, and try it.")

  func run() throws {
    print("system     \(ProcessInfo.processInfo.operatingSystemVersionString)")
    print("cores      \(Doctor.cores(.own, threads: Runtime.threads))")
    print("memory     \(ProcessInfo.processInfo.physicalMemory >> 30) GiB")
    print("LibTorch   \(Runtime.version), \(Runtime.cpuCapability) kernels")
    try print("products   \(products())")
    switch Runtime.cuda {
    case .available(let count):
      print("CUDA       \(count) GPUs")
      print(
        "NCCL       \(CUDALibrary.loadError.map { "none, and no CUDA graphs: \($0)" } ?? "loaded, and CUDA graphs")"
      )
      print(
        "detection  \(TorchvisionLibrary.loadError.map { "RoIAlign by matrix products and NMS on the CPU, without torchvision's kernels: \($0)" } ?? "torchvision's kernels")"
      )
    case .unavailable(let reason):
      print("CUDA       none: \(reason)")
      print("detection  this program's kernels for CPUs")
    }
    let results = checks()
    for (name, result) in results {
      print("\(name.padded(to: 11))\(result.map { "FAILED: \($0)" } ?? "works")")
    }
    if results.contains(where: { $0.failure != nil }) { throw ExitCode.failure }
  }

  /// The cores that this process may use, and the threads that follow from them.
  static func cores(_ cores: Cores, threads: Int) -> String {
    let share = cores.share.map { String(format: ", the time of %.1f by its control group", $0) } ?? ""
    return "\(cores.mask.count) (\(cores.maskText))\(share): \(threads) compute, \(cores.count) load images"
  }

  /// The library or kernel of matrix products and its speed, beside that of the others.
  private func products() throws -> String {
    let current = ProductLibrary.current
    let others = try ProductLibrary.available.filter { $0 != current }
      .map { try "\($0): \(fixed(speed(of: $0), 0))" }
    let beside = others.isEmpty ? "" : " (\(others.joined(separator: ", ")))"
    return try "\(current), \(fixed(speed(of: current), 0)) GFLOP/s a core\(beside)"
  }

  /// GFLOP/s of one thread: the best of five products like the first in a ViT-S's MLP, of 16 images of 224 pixels.
  private func speed(of library: ProductLibrary) throws -> Double {
    let (rows, inputs, outputs) = (16 * 197, 384, 1536), threads = Runtime.threads
    Runtime.threads = 1
    defer { Runtime.threads = threads }
    return try withTorchErrors {
      let (x, weight) = (Tensor.ones([rows, inputs]), Tensor.ones([outputs, inputs]))
      let times = withProducts(by: library) {
        (0..<5).map { _ in ContinuousClock().measure { _ = x.matmul(weight.transposed) } / .seconds(1) }
      }
      return 2 * Double(rows * inputs * outputs) / times.min()! / 1e9
    }
  }

  /// Short tests of the operations that training needs, each with the failure's text; nil if it passed.
  private func checks() -> [(name: String, failure: String?)] {
    func attempt(_ body: () throws -> Bool) -> String? {
      do { return try body() ? nil : "a wrong result" } catch { return "\(error)" }
    }
    return [
      (
        "arithmetic",
        attempt {
          try withTorchErrors { Tensor.ones([64, 64]).matmul(.ones([64, 64])).sum().item() == 64 * 64 * 64 }
        }
      ),
      (
        "gradient",
        attempt {
          try withTorchErrors {
            let x = Tensor.full(3, [])
            x.requiresGrad = true
            (x * x).backward()
            return x.gradient?.item() == 6
          }
        }
      ),
      (
        "codecs",
        attempt {
          let image = RGBImage(width: 2, height: 1, pixels: [255, 0, 0, 0, 0, 255])
          return try ImageDecoder().decode(image.pngData()) == image
        }
      ),
    ]
  }
}
