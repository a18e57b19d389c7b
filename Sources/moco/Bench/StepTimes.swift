import Files
import Torch

/// Times of training steps of a detector or a segmentation network. Benchmarks' scripts read its JSON.
struct StepTimes: Codable {
  /// The median of the timed steps.
  var secondsPerStep: Double
  var imagesPerSecond: Double
  /// Of every step, those before the timed ones too.
  var losses: [Double]
  var torch: String
  var threads: Int

  /// - Parameters:
  ///   - warmup: Steps before those that are timed.
  ///   - steps: Steps that are timed, at least 1.
  ///   - images: Of a step.
  ///   - step: Makes the step of a number, and returns its loss.
  init(warmup: Int, steps: Int, images: Int, _ step: (Int) throws -> Double) throws {
    guard warmup >= 0, steps > 0 else {
      throw UsageError("--warmup \(warmup), --steps \(steps): at least 0 and 1.")
    }
    var (losses, seconds): ([Double], [Double]) = ([], [])
    for number in 0..<warmup + steps {
      let start = ContinuousClock.now
      losses.append(try withTorchErrors { try step(number) })
      if number >= warmup { seconds.append((ContinuousClock.now - start) / .seconds(1)) }
    }
    secondsPerStep = seconds.sorted()[steps / 2]
    imagesPerSecond = Double(images) / secondsPerStep
    (self.losses, torch, threads) = (losses, Runtime.version, Runtime.kernelThreads)
  }

  func show(_ name: String, json: Bool) throws {
    if json { return try printJSON(self) }
    print("\(name), \(threads) threads, LibTorch \(torch)")
    print("\(fixed(secondsPerStep * 1000, 1)) ms a step, \(fixed(imagesPerSecond, 2)) images/s")
  }
}
