import Files
import Foundation
import Models
import Torch

/// Times training steps of a detector on random images and boxes.
struct DetectBenchmark {
  /// The detectors that are timed.
  enum Case: String, CaseIterable {
    /// C4 on a ResNet-18, short side 320, 4 images with 64 boxes each.
    case c4
    /// A feature pyramid on a ResNet-50, short side 480, 2 images.
    case fpn
  }

  static let classes = 20
  static let boxesPerImage = 8

  let which: Case
  let warmup: Int
  let steps: Int

  private var spec: DetectorSpec {
    switch which {
    case .c4:
      var spec = DetectorSpec(.c4, arch: .resnet18, classes: Self.classes)
      spec.anchors.sizes = [[16, 32, 64, 128, 256]]
      spec.rpn.preNMSTopK.training = 2000
      spec.rpn.postNMSTopK.training = 500
      spec.roi.batchSizePerImage = 64
      return spec
    case .fpn:
      var spec = DetectorSpec(.fpn, arch: .resnet50, classes: Self.classes)
      spec.fpn.hasNorm = false  // as torchvision's has none
      return spec
    }
  }

  /// Height, width and number of the images.
  private var shape: (height: Int, width: Int, count: Int) {
    switch which {
    case .c4: (320, 426, 4)
    case .fpn: (480, 640, 2)
    }
  }

  func run() throws -> StepTimes {
    let model = try withTorchErrors { GeneralizedRCNN(spec, using: Generator(seed: 1)) }
    try withTorchErrors { model.move(to: .cpu) }
    let trained = model.namedParameters.map(\.tensor)
    let norms = Set(model.normParameters.map { ObjectIdentifier($0) })
    let optimizer = try withTorchErrors {
      SGD(
        trained, momentum: 0.9, weightDecay: 1e-4,
        undecayed: Set(trained.indices.filter { norms.contains(ObjectIdentifier(trained[$0])) }))
    }
    let (images, truth) = try withTorchErrors { examples() }
    return try StepTimes(warmup: warmup, steps: steps, images: shape.count) { number in
      let found = try model.losses(
        model.preprocess(images), truth, sampler: Subsampler(seed: 1, step: number))
      found.total.backward()
      optimizer.step(learningRate: 1e-4)
      return found.total.item()
    }
  }

  /// Noise, with boxes of a sixteenth to a quarter of each side.
  private func examples() -> (images: [Tensor], truth: [GroundTruth]) {
    let generator = Generator(seed: 2)
    let (height, width, count) = shape
    let images = (0..<count).map { _ in
      (Tensor.normal([height, width, 3], using: generator) * 40 + 120)  // h×w×3
    }
    var draws = CounterGenerator(seed: 3, .sampleOrder, 0)
    func share() -> Double { Double(draws.next() >> 11) / 0x1p53 }
    let truth = (0..<count).map { _ in
      var corners: [Float] = []
      var classes: [Int] = []
      for _ in 0..<Self.boxesPerImage {
        let (w, h) = (
          Double(width) * (0.0625 + share() * 0.1875), Double(height) * (0.0625 + share() * 0.1875)
        )
        let (x, y) = (share() * (Double(width) - w), share() * (Double(height) - h))
        corners += [x, y, x + w, y + h].map(Float.init)
        classes.append(Int(share() * Double(Self.classes)))
      }
      return GroundTruth(
        boxes: Tensor(corners, shape: [Self.boxesPerImage, 4]), classes: Tensor(classes))
    }
    return (images, truth)
  }
}
