import Foundation
import Methods
import Models
import Torch

/// The time and the memory of a training step on one device, as measured.
package struct StepMeasure: Codable, Sendable {
  package var arch: Architecture
  package var imageSize: Int
  package var precision: Precision
  package var device: String
  /// The cores of the machine.
  package var cores: Int
  /// The threads that computed.
  package var threads: Int
  /// The number of images of a step.
  package var images: Int
  package var secondsPerStep: Double
  /// The part that does not depend on the number of images: the updates of weights and key encoder.
  package var secondsOfUpdates: Double
  /// The resident bytes of the program before weights are made, and at most in a step; nil if the system does
  /// not report them, or if the step is on a GPU.
  package var programBytes: Int?
  package var peakBytes: Int?
  /// The bytes of weights, gradients, optimizer and dictionary.
  package var stateBytes: Int

  package init(
    _ config: RunConfig, device: String, cores: Int, threads: Int, secondsPerStep: Double,
    secondsOfUpdates: Double,
    programBytes: Int?, peakBytes: Int?, stateBytes: Int
  ) {
    (arch, imageSize, precision) = (config.arch, config.imageSize, config.precision)
    (self.device, self.cores, self.threads, images) = (device, cores, threads, config.batchSize)
    (self.secondsPerStep, self.secondsOfUpdates) = (secondsPerStep, secondsOfUpdates)
    (self.programBytes, self.peakBytes, self.stateBytes) = (programBytes, peakBytes, stateBytes)
  }

  /// The bytes that a step needs for each image, views and activations.
  package var bytesPerImage: Double? {
    guard let programBytes, let peakBytes else { return nil }
    return Double(max(0, peakBytes - programBytes - stateBytes)) / Double(images)
  }

  /// The seconds of a step of another number of images.
  package func seconds(images count: Double) -> Double {
    let updates = min(secondsOfUpdates, secondsPerStep)
    return updates + (secondsPerStep - updates) * count / Double(images)
  }
}

/// The speed of reading images and making their views, as measured.
package struct LoaderMeasure: Codable, Sendable {
  /// Images per second on one core.
  package var full: Double
  /// The mean size of a file; nil if it is not known.
  package var bytesPerImage: Double?

  package init(full: Double, bytesPerImage: Double?) {
    (self.full, self.bytesPerImage) = (full, bytesPerImage)
  }
}

/// The speed of a network: `25Gbit/s`, `200 Gbit/s`, `800Mbit/s`, `3GB/s`.
package struct NetworkSpeed: Sendable, Equatable, CustomStringConvertible {
  package let description: String
  package let bytesPerSecond: Double

  /// That of many clusters.
  package static let usual = NetworkSpeed(description: "25Gbit/s", bytesPerSecond: 25e9 / 8)

  private init(description: String, bytesPerSecond: Double) {
    (self.description, self.bytesPerSecond) = (description, bytesPerSecond)
  }

  package init?(_ text: String) {
    let units: [(String, Double)] = [
      ("Gbit/s", 1e9 / 8), ("Mbit/s", 1e6 / 8), ("GB/s", 1e9), ("MB/s", 1e6),
    ]
    guard let unit = units.first(where: { text.hasSuffix($0.0) }),
      let number = Double(text.dropLast(unit.0.count).trimmingCharacters(in: .whitespaces)), number > 0,
      number.isFinite
    else { return nil }
    description = text
    bytesPerSecond = number * unit.1
  }
}
