import Torch

/// A step's time compared with that of its arithmetic at this machine's best speed (Williams, Waterman,
/// Patterson 2009).
package struct Roofline: Codable, Sendable {
  /// The multiplications and additions of a step's convolutions, products, optimizer and moving average, by
  /// their definition: Winograd's algorithm for a 3×3 convolution needs only 4/9 of its multiplications, or 1/4.
  package var operations: Double
  /// The bytes that these read and write. Normalisation, ReLU and pooling are not counted: they can be fused
  /// with others.
  package var bytes: Double
  /// Operations per second of a large matrix product in the step's precision, the best of several.
  package var operationsPerSecond: Double
  /// Bytes per second, read and written, of a large copy, the best of several.
  package var bytesPerSecond: Double
  /// The longer one of the two, in seconds.
  package var floor: Double
  /// The step's time over the floor; below 1 only if fewer operations are made than counted.
  package var overFloor: Double

  init(_ work: Work, secondsPerStep: Double, limits: MachineLimits) {
    operations = work.operations
    bytes = work.bytes
    operationsPerSecond = limits.operationsPerSecond
    bytesPerSecond = limits.bytesPerSecond
    floor = max(operations / operationsPerSecond, bytes / bytesPerSecond)
    overFloor = secondsPerStep / floor
  }
}

/// The machine's measured limits.
struct MachineLimits {
  private(set) var operationsPerSecond = 0.0
  private(set) var bytesPerSecond = 0.0
  private let factors: (Tensor, Tensor)
  private let block: Tensor
  private let copy: Tensor

  init(_ precision: Precision, on device: Device) throws {
    // Large enough to fill the device, and small enough for a CPU without bfloat16 products.
    let side = device == .cpu ? (precision == .float32 ? 2048 : 512) : 8192
    let megabytes = device == .cpu ? 64 : 1024
    let dtype: DType = precision == .float32 ? .float32 : .bfloat16
    let generator = Generator(seed: 1)
    (factors, block, copy) = try withTorchErrors {
      func random() -> Tensor { Tensor.normal([side, side], using: generator).to(device).to(dtype) }
      let block = Tensor.ones([megabytes << 18], on: device)
      return ((random(), random()), block, block.clone())
    }
  }

  /// Measures again, and keeps the best.
  mutating func measure(times: Int = 2) throws {
    let side = Double(factors.0.shape[0])
    for _ in 0..<times {
      let product = try seconds { factors.0.matmul(factors.1) }
      operationsPerSecond = max(operationsPerSecond, 2 * side * side * side / product)
      let copying = try seconds {
        copy.copy(from: block)
        return copy
      }
      bytesPerSecond = max(bytesPerSecond, 8 * Double(block.count) / copying)
    }
  }

  /// On a GPU it times many in a row, so that the wait at the end has little weight.
  private func seconds(_ body: () -> Tensor) throws -> Double {
    let count = block.device == .cpu ? 2 : 20
    return try withTorchErrors {
      withNoGrad {
        _ = body().reshaped([-1]).narrowed(0..<1).to(.float32).item()
        let started = ContinuousClock.now
        for _ in 1..<count { _ = body() }
        _ = body().reshaped([-1]).narrowed(0..<1).to(.float32).item()
        return (ContinuousClock.now - started) / .seconds(Double(count))
      }
    }
  }
}
