import Foundation
import TestSupport
import Testing
import Torch
@testable import Data

/// Mixup, CutMix, soft labels and random erasing against timm 1.0.31; see Fixtures/make_mixing.py.
@Suite struct MixingTests {
  private struct Fixture: Decodable {
    struct Box: Decodable {
      let height: Int
      let width: Int
      let share: Double
      let center: [Int]
      let rows: [Int]
      let columns: [Int]
      let corrected: Double
    }
    struct Mixed: Decodable {
      let share: Double
      let center: [Int]?
      let images: [Double]
      let targets: [Double]
    }
    struct Erased: Decodable {
      let height: Int
      let width: Int
      let numbers: [Double]
      let box: [Int]?
    }
    let shape: [Int]
    let labels: [Int]
    let classes: Int
    let smoothing: Double
    let boxes: [Box]
    let mixed: [Mixed]
    let smoothedLoss: Double
    let erasing: [Erased]
  }

  private let fixture: Fixture

  init() throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/mixing.json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    fixture = try decoder.decode(Fixture.self, from: Foundation.Data(contentsOf: url))
  }

  // MARK: - Mixup and CutMix

  @Test func boxesAndTheirShareAreTimms() {
    #expect(fixture.boxes.count == 6)
    for box in fixture.boxes {
      let mixing = Mixup.Mixing.cutmix(
        share: box.share, centerY: box.center[0], centerX: box.center[1], height: box.height,
        width: box.width)
      guard case .cutmix(let rows, let columns, let share) = mixing else {
        Issue.record("\(mixing)")
        continue
      }
      #expect([rows.lowerBound, rows.upperBound] == box.rows)
      #expect([columns.lowerBound, columns.upperBound] == box.columns)
      // One division and one subtraction.
      #expect(abs(share - box.corrected) < 1e-15 && mixing.share == share)
    }
  }

  @Test func imagesAndLabelsAreMixedAsByTimm() {
    #expect(fixture.mixed.count == 4)
    let shape = fixture.shape
    for one in fixture.mixed {
      let mixing =
        one.center.map {
          Mixup.Mixing.cutmix(
            share: one.share, centerY: $0[0], centerX: $0[1], height: shape[2], width: shape[3])
        } ?? .mixup(share: one.share)
      let images = formula(salt: 1, shape: shape)
      mixing.apply(to: images)
      // Two products and a sum in float64.
      #expect(zip(images.array(of: Double.self), one.images).allSatisfy { abs($0 - $1) < 1e-15 })
      let targets = mixing.targets(
        fixture.labels, classes: fixture.classes, smoothing: fixture.smoothing, on: .cpu)
      #expect(targets.shape == [shape[0], fixture.classes])
      // timm's are float32 as well, and rounded at other places.
      #expect(zip(targets.array(of: Double.self), one.targets).allSatisfy { abs($0 - $1) < 2e-7 })
      #expect(images.count == one.images.count && targets.count == one.targets.count)
    }
  }

  @Test func softLabelsAloneGiveTimmsSmoothedLoss() {
    let logits = formula(salt: 2, shape: [4, fixture.classes]) * 3
    let targets = Mixup.Mixing.none.targets(
      fixture.labels, classes: fixture.classes, smoothing: fixture.smoothing, on: .cpu)
    // The targets are float32.
    #expect(abs(softTargetCrossEntropy(logits, targets).item() - fixture.smoothedLoss) < 1e-7)
    let hard = Mixup.Mixing.none.targets(fixture.labels, classes: fixture.classes, smoothing: 0, on: .cpu)
    let plain = crossEntropy(logits, Tensor(fixture.labels)).item()
    #expect(abs(softTargetCrossEntropy(logits, hard).item() - plain) < 1e-14)
  }

  @Test func drawsAreOneABatchAndFollowTheProbabilities() {
    let mixup = Mixup(mixupAlpha: 0.8, cutmixAlpha: 1, probability: 0.6, switchProbability: 0.25)
    var counts = [0, 0, 0]
    for batch in 0..<4000 {
      let mixing = mixup.mixing(seed: 1, epoch: 3, batch: batch, height: 20, width: 30)
      #expect(mixing == mixup.mixing(seed: 1, epoch: 3, batch: batch, height: 20, width: 30))
      #expect((0...1).contains(mixing.share))
      switch mixing {
      case .none: counts[0] += 1
      case .mixup: counts[1] += 1
      case .cutmix(let rows, let columns, _):
        counts[2] += 1
        #expect(rows.lowerBound >= 0 && rows.upperBound <= 20 && columns.upperBound <= 30)
      }
    }
    // 0.4, 0.45 and 0.15 of 4,000; the largest deviation is 32, and this is six of it.
    #expect(zip(counts, [1600, 1800, 600]).allSatisfy { abs($0 - $1) < 190 }, "\(counts)")
    #expect(Mixup().isActive == false)
    #expect(Mixup().mixing(seed: 1, epoch: 0, batch: 0, height: 4, width: 4) == .none)
    // With one of them there is nothing to choose.
    for batch in 0..<50 {
      let cut = Mixup(cutmixAlpha: 1).mixing(seed: 1, epoch: 0, batch: batch, height: 8, width: 8)
      guard case .cutmix = cut else {
        Issue.record("\(cut)")
        return
      }
    }
  }

  // MARK: - Random erasing

  @Test func erasedBoxesAreTimms() {
    #expect(fixture.erasing.count == 15 && fixture.erasing.contains { $0.box == nil })
    for one in fixture.erasing {
      var numbers = one.numbers.makeIterator()
      let box = RandomErasing(probability: 1).box(height: one.height, width: one.width) {
        numbers.next() ?? 0
      }
      let found = box.map {
        [$0.rows.lowerBound, $0.rows.upperBound, $0.columns.lowerBound, $0.columns.upperBound]
      }
      #expect(found == one.box, "\(one.height) × \(one.width)")
    }
  }

  @Test func aBoxBecomesNormalNoiseAndTheRestStays() {
    let (count, side) = (64, 32)
    let samples = (0..<count).map { 7 * $0 }
    func erased(epoch: Int) -> [Float] {
      let images = Tensor.full(9, [count, 3, side, side])
      RandomErasing(probability: 0.5).apply(to: images, seed: 2, epoch: epoch, samples: samples)
      return images.array()
    }
    let values = erased(epoch: 1)
    #expect(values == erased(epoch: 1) && values != erased(epoch: 2))
    let size = 3 * side * side
    let touched = (0..<count).filter { image in
      values[image * size..<(image + 1) * size].contains { $0 != 9 }
    }
    // 32 ± 4, and four deviations.
    #expect((16...48).contains(touched.count))
    let noise = values.filter { $0 != 9 }.map(Double.init)
    let mean = noise.reduce(0, +) / Double(noise.count)
    let variance = noise.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(noise.count)
    // Of some 10,000 numbers the mean deviates by 0.01 and the variance by 0.014: six of each.
    #expect(noise.count > 5000 && abs(mean) < 0.085 && abs(variance - 1) < 0.12)
  }

  @Test func anImagesDrawsDoNotDependOnItsPlaceInTheBatch() {
    func erased(_ samples: [Int]) -> Tensor {
      let images = Tensor.zeros([samples.count, 3, 16, 16])
      RandomErasing(probability: 1).apply(to: images, seed: 1, epoch: 0, samples: samples)
      return images
    }
    let (first, second) = (erased([4, 9, 11]), erased([11, 4]))
    #expect(first.selected(0).array(of: Float.self) == second.selected(1).array(of: Float.self))
    #expect(first.selected(2).array(of: Float.self) == second.selected(0).array(of: Float.self))
    #expect(first.selected(1).array(of: Float.self) != second.selected(0).array(of: Float.self))
  }

  // MARK: - Repeated augmentation

  @Test func anEpochShowsEveryThirdImageThreeTimes() {
    let sampler = EpochSampler(repeating: 20, times: 3, batchSize: 6, seed: 5)
    #expect(sampler.count == 60 && sampler.batchesPerEpoch == 3)
    for epoch in 0..<3 {
      let order = sampler.order(epoch: epoch)
      #expect(order.count == 20 && Set(order).count == 20)
      // Places of one image are 20 apart; the last one has room for two.
      for start in stride(from: 0, to: 18, by: 3) {
        let image = order[start]
        #expect(image < 20 && Array(order[start..<start + 3]) == [image, image + 20, image + 40])
      }
      #expect(Set(order.map { $0 % 20 }).count == 7)
      #expect(sampler.batch(epoch: epoch, index: 1) == Array(order[6..<12]))
    }
    #expect(sampler.order(epoch: 0) != sampler.order(epoch: 1))
    let once = EpochSampler(repeating: 20, times: 1, batchSize: 6, seed: 5)
    #expect(once.order(epoch: 2) == EpochSampler(count: 20, batchSize: 6, seed: 5).order(epoch: 2))
  }
}
