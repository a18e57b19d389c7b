import Models
import Torch

/// Times training steps of a segmentation network on noise: a ResNet-50 with 21 classes on 4 crops of 321 pixels unless given.
struct SegmentBenchmark {
  var arch = Architecture.resnet50
  var classes = 21
  var cropSize = 321
  var batchSize = 4
  let warmup: Int
  let steps: Int

  func run() throws -> StepTimes {
    let model = try withTorchErrors {
      let model = FCN(SegmenterSpec(arch: arch, classes: classes), using: Generator(seed: 1))
      model.move(to: .cpu)
      return model
    }
    let optimizer = try withTorchErrors { SGD(model.parameters, momentum: 0.9, weightDecay: 1e-4) }
    let (pixels, labels) = try withTorchErrors { batch() }
    return try StepTimes(warmup: warmup, steps: steps, images: batchSize) { _ in
      let loss = model.loss(model.preprocess(pixels), labels: labels)
      loss.backward()
      optimizer.step(learningRate: 1e-4)
      return loss.item()
    }
  }

  /// Noise as bytes, N×H×W×3, and random labels, a tenth of them ignored.
  private func batch() -> (pixels: Tensor, labels: Tensor) {
    let generator = Generator(seed: 2), shape = [batchSize, cropSize, cropSize]
    let pixels = Tensor.uniform(shape + [3], high: 256, using: generator).to(.uint8)
    let classes = Tensor.uniform(shape, high: Double(self.classes), using: generator).to(.uint8)
    let isIgnored = Tensor.uniform(shape, using: generator) .< 0.1
    return (pixels, Tensor.where(isIgnored, .full(255, shape, dtype: .uint8), classes))
  }
}
