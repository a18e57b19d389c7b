import Models
import Torch

/// The part of masked auto-encoders that draws the masks and compares pixels (He et al. 2021, section 3).
public struct MaskedReconstruction: Sendable, Equatable {
  /// The share of the patches that is hidden.
  public var maskRatio: Double
  /// Whether the pixels to be predicted are normalised in each patch by itself.
  public var normalizesPixels: Bool
  /// For the masks.
  public var seed: UInt64

  public init(maskRatio: Double = 0.75, normalizesPixels: Bool = true, seed: UInt64) {
    (self.maskRatio, self.normalizesPixels, self.seed) = (maskRatio, normalizesPixels, seed)
  }

  /// The masks of a batch's images. An image's depends on the seed, the step and its number in the data set, not on
  /// the rank or the part of the batch that has it.
  /// - Parameter patches: The number of patches L of an image.
  public func mask(for batch: ViewBatch, patches: Int) -> PatchMask {
    let samples = batch.samples.isEmpty ? Array(0..<batch.count) : batch.samples
    let noise = samples.flatMap { sample in
      var generator = CounterGenerator(seed: seed, .patchMask, batch.step, sample)
      return (0..<patches).map { _ in generator.uniform() }
    }
    // Sorted on the CPU, so that it is the same order on every device.
    let mask = PatchMask(
      noise: Tensor(noise, shape: [samples.count, patches]),
      keeping: PatchMask.kept(of: patches, ratio: maskRatio))
    return mask.on(batch.views[0].device)
  }

  /// The mean square over the pixels of the hidden patches of the batch.
  /// - Parameters:
  ///   - predicted: N×(L−K)×(P·P·3).
  ///   - pixels: The hidden patches', in the same order and shape.
  public func loss(_ predicted: Tensor, _ pixels: Tensor) -> Tensor {
    (predicted - target(pixels)).pow(2).mean()
  }

  /// (t − mean) / √(variance + 1e-6) of each patch, over all its numbers; the variance is the unbiased one.
  func target(_ pixels: Tensor) -> Tensor {
    guard normalizesPixels else { return pixels }
    return withNoGrad {
      let (mean, deviation) = Self.statistics(pixels)
      return (pixels - mean) / deviation
    }
  }

  /// The mean and √(variance + 1e-6) of each patch: N×M×(P·P·3) → N×M×1 each.
  static func statistics(_ pixels: Tensor) -> (mean: Tensor, deviation: Tensor) {
    let mean = pixels.mean(dim: -1, keepDim: true)
    let squares = (pixels - mean).pow(2).sum(dim: -1, keepDim: true)
    let count = Double(pixels.shape.last ?? 2)
    return (mean, (squares / (count - 1) + 1e-6).sqrt())
  }
}

/// A method that hides patches of images and predicts their pixels.
public protocol ReconstructsPixels: Method {
  var decoder: MAEDecoder { get }
  var masking: MaskedReconstruction { get }
}

extension ReconstructsPixels {
  /// Pictures of what the method does, for the eye. All are N×3×H×W in the scale of the network's input.
  public typealias Reconstruction = (masked: Tensor, reconstructed: Tensor, original: Tensor)

  /// Hides patches of images, and predicts these.
  ///
  /// In `masked` the hidden patches are 0, the mean colour. In `reconstructed` they are the predicted ones, between the
  /// visible ones. Where pixels are normalised in each patch, the prediction gets the mean and the deviation of the
  /// hidden patch, which the network does not predict.
  /// - Parameters:
  ///   - images: N×3×H×W, of the size that the network is made for.
  ///   - step: The step whose masks are drawn, for images 0 …< N.
  public func reconstruction(of images: Tensor, step: Int = 0) -> Reconstruction {
    withNoGrad {
      let network = encoderQ.transformer
      let mask = masking.mask(for: ViewBatch([images], step: step), patches: network.patchCount)
      let patches = patchified(images, size: network.patchSize)  // N×L×(P·P·3)
      var predicted = decoder.predictedEverywhere(network.tokens(of: patches, keeping: mask), mask)
      if masking.normalizesPixels {
        let (mean, deviation) = MaskedReconstruction.statistics(patches)
        predicted = predicted * deviation + mean
      }
      let hidden = mask.isHidden.reshaped([images.shape.first ?? 0, -1, 1]).to(images.dtype)  // N×L×1
      let seen = patches * (1 - hidden)
      return (
        masked: unpatchified(seen, size: network.patchSize),
        reconstructed: unpatchified(seen + predicted * hidden, size: network.patchSize), original: images
      )
    }
  }
}
