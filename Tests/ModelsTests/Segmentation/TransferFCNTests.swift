import Foundation
import Testing
import TestSupport
import Torch
@testable import Models

/// Segmentation networks, three training steps and a test, against plain PyTorch with torchvision's ResNets in float64.
@Suite struct TransferSegmenters {
  /// Losses of every step within 1e-8 of themselves, norms and logits of the test within 1e-6: two correct programs agree
  /// to about 1e-12, and another dilation or another place of the corners is off by more than 1e-4.
  @Test func trainingStepsAndPredictionsArePlainPyTorchs() {
    for file in Transfer.parts("fcn") {
      Transfer.announce(file.case.string ?? "")
      let segmenter = SegmenterCase(file)
      segmenter.expectTrainingSteps()
      segmenter.expectTest()
    }
  }

  @Test func everyTensorHasItsName() {
    for file in Transfer.parts("fcn") {
      let tensors = FCN(SegmenterSpec(file), using: .shapesOnly).tensorSpecs
      let counters = tensors.filter { $0.name.hasSuffix("num_batches_tracked") }
      #expect(Set(tensors.map(\.name)).subtracting(counters.map(\.name)) == Set(file.final.norms.keys))
      let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
      for row in file.parameters.list { #expect(shapes[row[0].string ?? ""] == row[1].ints, "\(row[0])") }
    }
  }
}

extension SegmenterSpec {
  /// The network of a fixture: `fcn-resnet50` has a ResNet-50. What it does not state is the paper's.
  init(_ file: JSON) {
    let parts = (file.case.string ?? "").split(separator: "-").map(String.init)
    let arch = parts.lazy.compactMap { Architecture(rawValue: $0) }.first
    self.init(arch: arch ?? .resnet50, classes: file.classes.int ?? 2)
    let first = file.parameters.list.first { $0[0].string == "head.0.weight" }
    headChannels = first?[1].ints.first ?? headChannels
    headDilation = file.head_dilation.int ?? headDilation
    alignCorners = file.align_corners.bool ?? alignCorners
  }
}

/// A network of a fixture, and what the fixture says of it.
private struct SegmenterCase {
  let file: JSON
  let model: FCN
  let tensors: [String: Tensor]

  init(_ file: JSON) {
    self.file = file
    model = FCN(SegmenterSpec(file), using: Generator(seed: 1))
    model.convert(to: .float64)
    tensors = Dictionary(uniqueKeysWithValues: model.state.map { ($0.name, $0.tensor) })
    setParameters(file.parameters.list, of: tensors)
  }

  private var name: String { file.case.string ?? "" }

  /// Images and labels of a step.
  private func batch(_ step: Int) -> (images: Tensor, labels: Tensor) {
    let salt = (file.salt.int ?? 0) + 10 * step, size = file.image.pixels, count = file.batch.int ?? 1
    let shape = [count, size.height, size.width], classes = Double(model.spec.classes)
    let known = ((u(salt + 601, shape) + 1) / 2 * classes).floor().to(.int64)
    let labels = Tensor.where(
      u(salt + 602, shape) .> 0.7, .full(Double(model.spec.ignoredLabel), shape, dtype: .int64), known)
    return (u(salt + 600, [count, 3, size.height, size.width]) * 2, labels)
  }

  func expectTrainingSteps() {
    let solver = file.solver
    let optimizer = SGD(
      model.parameters, momentum: solver.momentum.double ?? 0, weightDecay: solver.weight_decay.double ?? 0)
    for (step, expected) in file.steps.list.enumerated() {
      let (images, labels) = batch(step)
      let counted = (labels .!= Double(model.spec.ignoredLabel)).to(.int64).sum().item()
      #expect(Int(counted) == expected.counted_pixels.int, "\(name) step \(step)")
      let loss = step == 0 ? firstLoss(images, labels) : model.loss(images, labels: labels)
      expectClose(
        [loss.item()], [expected.loss.double ?? .nan], 1e-8, scale: 1e-30, "\(name) step \(step) loss")
      loss.backward()
      if step == 0 { expectGradients() }
      optimizer.step(learningRate: expected.lr.double ?? 0)
    }
    for tensor in file.final.norms.keys {
      expectClose(
        [tensors[tensor]?.norm().item() ?? .nan], [file.final.norms[tensor].double ?? .nan], 1e-6,
        scale: 1e-10, "\(name) \(tensor)")
    }
  }

  /// The loss part by part.
  private func firstLoss(_ images: Tensor, _ labels: Tensor) -> Tensor {
    let first = file.first_step, size = file.image.pixels, spec = model.spec
    let conv5 = model.backbone.featureMaps(images)[3]
    expectDigest(conv5, first.conv5, 1e-10, "\(name) conv5")
    let logits = model.head(conv5)
    expectDigest(logits, first.logits, 1e-9, "\(name) logits")
    let enlarged = interpolated(
      logits, height: size.height, width: size.width,
      mode: spec.alignCorners ? .bilinearAligningCorners : .bilinear)
    expectDigest(enlarged, first.upsampled, 1e-9, "\(name) enlarged logits")
    return enlargedCrossEntropy(
      logits, labels, ignoring: spec.ignoredLabel, alignsCorners: spec.alignCorners)
  }

  private func expectGradients() {
    let norms = file.first_step.gradient_norms
    #expect(Set(model.namedParameters.map(\.name)) == Set(norms.keys))
    for parameter in norms.keys {
      expectClose(
        [tensors[parameter]?.gradient?.norm().item() ?? .nan], [norms[parameter].double ?? .nan], 1e-8,
        scale: 1e-7, "\(name) gradient of \(parameter)")
    }
  }

  /// Classes are equal: the two largest logits of a pixel are `margin` apart or more, far above rounding.
  func expectTest() {
    let test = file.test, size = test.image.pixels
    model.train(false)
    let images = u((file.salt.int ?? 0) + 650, [1, 3, size.height, size.width]) * 2
    expectDigest(withNoGrad { model(images) }.selected(0), test.logits, 1e-6, "\(name) test")
    let found = model.predict(images)
    #expect(found.shape == [1, size.height, size.width], "\(name)")
    let labels = found.array(of: UInt8.self).map(Int.init)
    var counts = [Int](repeating: 0, count: model.spec.classes)
    for label in labels { counts[label] += 1 }
    #expect(counts == test.label_counts.ints, "\(name)")
    func row(_ index: Int) -> [Int] { Array(labels[index * size.width..<(index + 1) * size.width]) }
    #expect(row(0) == test.first_row.ints, "\(name)")
    #expect(row(size.height / 2) == test.middle_row.ints, "\(name)")
  }
}
