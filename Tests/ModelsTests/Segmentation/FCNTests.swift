import Foundation
import Testing
import TestSupport
import Torch
@testable import Models

/// Segmentation networks beyond the reference numbers.
@Suite struct Segmenters {
  private static func small(
    _ arch: Architecture = .resnet18, classes: Int = 3, _ change: (inout SegmenterSpec) -> Void = { _ in }
  ) -> SegmenterSpec {
    var spec = SegmenterSpec(arch: arch, classes: classes)
    spec.headChannels = 8
    change(&spec)
    return spec
  }

  private func images(_ count: Int = 2, side: Int = 48) -> Tensor {
    .normal([count, 3, side, side + 16], using: Generator(seed: 3))
  }

  /// Of the two halves of every image; a corner is ignored.
  private func labels(_ images: Tensor, _ left: Double = 0, _ right: Double = 2) -> Tensor {
    let shape = [images.shape[0], images.shape[2], images.shape[3] / 2]
    let labels = Tensor.concatenated(
      [.full(left, shape, dtype: .int64), .full(right, shape, dtype: .int64)], dim: 2)
    labels.narrowed(0..<9, dim: 1).narrowed(0..<7, dim: 2).fill(255)
    return labels
  }

  static let archs: [Architecture] = [
    .resnet18, .resnet34, .resnet50, .resnet101, .resnet152, .resnext50, .wideResnet50x2, .wideResnet50x4,
  ]

  @Test(arguments: archs) func theBackbonesNamesAreTheEncoders(arch: Architecture) {
    let names = FCN(SegmenterSpec(arch: arch, classes: 21), using: .shapesOnly).tensorSpecs.map(\.name)
    let encoder = EncoderSpec(arch: arch).tensors.map { "backbone.\($0.name)" }
    #expect(Array(names.prefix(encoder.count)) == encoder)
    let norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    let head =
      ["head.0.weight"] + norm.map { "head.1.\($0)" } + ["head.3.weight"] + norm.map { "head.4.\($0)" }
      + ["head.6.weight", "head.6.bias"]
    #expect(Array(names.dropFirst(encoder.count)) == head)
  }

  @Test(arguments: [Architecture.resnet18, .resnet50, .resnext50])
  func theMapHasStride16(arch: Architecture) {
    let model = FCN(Self.small(arch), using: Generator(seed: 1))
    model.train(false)
    withNoGrad {
      let x = Tensor.normal([1, 3, 65, 48], using: Generator(seed: 2))
      #expect(model.smallLogits(x).shape == [1, 3, 5, 3])
      #expect(model(x).shape == [1, 3, 65, 48])
      let classes = enlargedArgMax(model.smallLogits(x), height: 65, width: 48, alignsCorners: false)
      #expect(model.predict(x).array(of: UInt8.self) == classes.array(of: UInt8.self))
    }
  }

  /// Every parameter has a gradient, and a few steps make the two halves of the images tell apart.
  @Test(arguments: [false, true]) func aNetworkLearns(alignCorners: Bool) throws {
    let model = FCN(Self.small { $0.alignCorners = alignCorners }, using: Generator(seed: 1))
    model.move(to: .cpu)
    let images = images(), labels = labels(images)
    let optimizer = SGD(model.parameters, momentum: 0.9)
    var losses: [Double] = []
    for _ in 0..<8 {
      let loss = model.loss(images, labels: labels)
      loss.backward()
      if losses.isEmpty {
        for entry in model.namedParameters {
          #expect(entry.tensor.gradient?.isAllFinite() == true, "\(entry.name)")
        }
      }
      losses.append(loss.item())
      optimizer.step(learningRate: 0.2)
    }
    // At first every class is as likely as any other.
    #expect(abs(losses[0] - log(3)) < 0.2, "\(losses)")
    #expect(losses[7] < 0.5 * losses[0], "\(losses)")
  }

  @Test func whatIsFrozenHasNoGradientAndNoStatisticsOfBatches() {
    let spec = Self.small { ($0.norm, $0.freezeAt) = (.frozen, 2) }
    let model = FCN(spec, using: Generator(seed: 1))
    let learned = Set(model.namedParameters.map(\.name))
    #expect(learned.allSatisfy { !$0.contains(".bn") && !$0.contains("downsample.1") })
    #expect(!learned.contains("backbone.conv1.weight") && !learned.contains("backbone.layer1.0.conv1.weight"))
    #expect(learned.contains("backbone.layer2.0.conv1.weight"))
    // The head is new: its normalisation has nothing to keep.
    #expect(learned.isSuperset(of: ["head.0.weight", "head.1.weight", "head.4.bias", "head.6.bias"]))
    let before = model.buffers.map { $0.clone() }
    let images = images()
    model.loss(images, labels: labels(images)).backward()
    let changed = zip(model.state.filter { $0.kind == .buffer }, before).filter { entry, old in
      entry.tensor.array(of: Double.self) != old.array(of: Double.self)
    }
    #expect(Set(changed.map { $0.0.name.prefix(6) }) == ["head.1", "head.4"])
  }

  /// As in the detectors: the statistics of a frozen stage are fixed too.
  @Test func plainNormalisationIsFixedBelowFreezeAt() {
    let model = FCN(Self.small { $0.freezeAt = 3 }, using: Generator(seed: 1))
    let counters = model.state.map(\.name).filter { $0.hasSuffix("num_batches_tracked") }
    #expect(!counters.contains { $0.hasPrefix("backbone.bn1") || $0.hasPrefix("backbone.layer2") })
    #expect(counters.contains("backbone.layer3.0.bn1.num_batches_tracked"))
  }

  @Test func aBatchWithoutKnownPixelsTrains() {
    let model = FCN(Self.small(), using: Generator(seed: 1))
    let images = images()
    let loss = model.loss(images, labels: labels(images, 255, 255))
    #expect(loss.item() == 0)
    loss.backward()
    #expect(model.parameters.allSatisfy { $0.gradient?.abs().max().item() == 0 })
  }

  @Test func mixedPrecisionKeepsTheLossInFloat32() {
    let model = FCN(Self.small(), using: Generator(seed: 1))
    let images = images(), labels = labels(images)
    let exact = model.loss(images, labels: labels).item()
    let loss = withPrecision(.bfloat16, on: .cpu) { model.loss(images, labels: labels) }
    #expect(loss.dtype == .float32)
    // 8 bits of mantissa in the logits, whose size is far below 1.
    #expect(abs(loss.item() - exact) < 0.02)
    loss.backward()
    #expect(model.parameters.allSatisfy { $0.gradient?.isAllFinite() == true })
  }

  @Test func pixelsAreNormalised() {
    let model = FCN(Self.small(), using: Generator(seed: 1))
    let pixels = Tensor([UInt8](repeating: 100, count: 2 * 3 * 4 * 3), shape: [2, 3, 4, 3])
    let images = model.preprocess(pixels)
    #expect(images.shape == [2, 3, 3, 4] && images.isContiguous(.channelsLast) && images.dtype == .float32)
    let channels = (0..<3).map { images.selected(1).selected($0).max().item() }
    for (channel, (mean, std)) in zip(
      channels, [(123.675, 58.395), (116.28, 57.12), (103.53, 57.375)])
    {
      #expect(abs(channel - (100 - mean) / std) < 1e-6)
    }
  }

  /// The statistics of batches come from all layers, the head's too.
  @Test func preciseStatisticsReachTheHead() {
    let model = FCN(Self.small(), using: Generator(seed: 1))
    let precise = PreciseBatchNorm(model)
    for _ in 0..<2 { _ = precise.observe { model.smallLogits(images()) } }
    precise.finish()
    let norm = model.head.norm2
    let variance = norm.runningVar.tensor.array(of: Double.self)
    #expect(variance.allSatisfy { $0.isFinite && $0 != 1 })
    #expect(norm.numBatchesTracked.tensor.item() == 0)
  }

  @Test func aSpecSurvivesJSON() throws {
    let spec = Self.small(.wideResnet50x2, classes: 19) {
      ($0.alignCorners, $0.norm, $0.freezeAt, $0.headDilation) = (true, .naiveSync, 1, 12)
    }
    #expect(try JSONDecoder().decode(SegmenterSpec.self, from: JSONEncoder().encode(spec)) == spec)
    #expect(spec.problem == nil)
  }

  static let problems: [(SegmenterSpec, String)] = [
    (small(.vitSmall), "arch vit_small: segmentation needs the four stages of resnet18 to resnet152."),
    (small(.resnet20), "arch resnet20: segmentation needs the four stages of resnet18 to resnet152."),
    (small(classes: 1), "classes 1: 2 to 255."), (small(classes: 256), "classes 256: 2 to 255."),
    (small { $0.headChannels = 0 }, "head-channels 0: 1 to 65536."),
    (small { $0.headDilation = 65 }, "head-dilation 65: 1 to 64."),
    (small { $0.freezeAt = 6 }, "freeze-at 6: 0 (nothing) to 5 (all stages)."),
    (small { $0.ignoredLabel = 2 }, "ignored-label 2: 3 (behind the classes) to 255."),
    (small { $0.pixelStd = [1, 0, 1] }, "pixel-std [1.0, 0.0, 1.0]: three numbers above 0 and up to 255."),
  ]

  @Test(arguments: problems.indices) func aSpecThatNoNetworkHasIsNamed(index: Int) {
    let (spec, problem) = Self.problems[index]
    #expect(spec.problem == problem)
  }
}
