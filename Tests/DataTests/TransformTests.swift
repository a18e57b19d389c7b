import Testing
@testable import Data

@Suite struct Transforms {
  private func names(_ recipe: Transform) -> [String] {
    recipe.steps.map { step in
      switch step {
      case .crop: "crop"
      case .flip: "flip"
      case .jitter: "jitter"
      case .grayscale: "grayscale"
      case .blur: "blur"
      case .solarize: "solarize"
      case .randAugment: "randAugment"
      }
    }
  }

  /// The order of the published code.
  @Test func stepsStandInThePublishedOrder() {
    #expect(names(view(.v1, 224)) == ["crop", "grayscale", "jitter", "flip"])
    #expect(names(view(.v2, 224)) == ["crop", "jitter", "grayscale", "blur", "flip"])
    #expect(names(view(.cifar, 32)) == ["crop", "flip", "jitter", "grayscale"])
    for recipe in AugmentationPreset.v3.transform(imageSize: 224).views {
      #expect(names(recipe) == ["crop", "jitter", "grayscale", "blur", "solarize", "flip"])
    }
  }

  @Test func maskedImagesHaveNoColourAndTheirKeysV2s() {
    let one = AugmentationPreset.mae.transform(imageSize: 224).views
    let two = AugmentationPreset.mocoMAE.transform(imageSize: 224).views
    #expect(one.map(names) == [["crop", "flip"]] && two[0] == one[0])
    #expect(two[1].steps == view(.v2, 224).steps)
    #expect((one + two).allSatisfy { $0.interpolation == .bicubic })
    #expect(AugmentationPreset.allCases.allSatisfy { $0.count == $0.transform(imageSize: 32).views.count })
  }

  @Test func v3ViewsDifferInBlurAndSolarize() {
    let recipe = AugmentationPreset.v3.transform(imageSize: 224, cropScale: 0.08)
    #expect(recipe.views[0].steps[0] == .crop(scale: 0.08...1))
    #expect(recipe.views[0].steps[3] == .blur(sigma: 0.1...2, probability: 1))
    #expect(recipe.views[1].steps[3] == .blur(sigma: 0.1...2, probability: 0.1))
    #expect(recipe.views[0].steps[4] == .solarize(probability: 0))
    #expect(recipe.views[1].steps[4] == .solarize(probability: 0.2))
  }

  @Test func colorIsDrawnInTheOrderOfTheSteps() {
    for sample in 0..<200 {
      let v1 = view(.v1, 224).colorParameters(seed: 3, epoch: 0, sample: sample, view: 0).operations
      #expect(v1.count == 5)
      #expect(v1[0] == nil || v1[0] == .grayscale)
      #expect(Set(v1[1...].compactMap { $0?.kind }) == [.brightness, .contrast, .saturation, .hue])
      let v2 = view(.v2, 224).colorParameters(seed: 3, epoch: 0, sample: sample, view: 0).operations
      #expect(v2.count == 6)
      #expect(v2[4] == nil || v2[4] == .grayscale)
      #expect(v2[5] == nil || v2[5]?.kind == .blur)
    }
  }

  /// 24 orders, drawn for each sample: over 2,400 samples each is met about 100 times. 40 to 180 is six deviations.
  @Test func jittersOrderIsDrawnForEachSample() {
    var counts: [[Int]: Int] = [:]
    for sample in 0..<2400 {
      let operations = view(.v1, 224).colorParameters(seed: 5, epoch: 2, sample: sample, view: 1).operations
      counts[operations[1...].compactMap { $0?.kind.rawValue }, default: 0] += 1
    }
    #expect(counts.count == 24)
    #expect(counts.values.allSatisfy { (40...180).contains($0) })
  }

  /// Shares over 4,000 draws; 0.04 is five deviations of the least certain one.
  @Test func probabilitiesAndRangesHold() {
    var (jittered, gray, blurred) = (0, 0, 0)
    for sample in 0..<4000 {
      let operations = view(.v2, 224).colorParameters(seed: 7, epoch: 0, sample: sample, view: 0).operations
      if operations[0] != nil { jittered += 1 }
      #expect(Set(operations[..<4].map { $0 == nil }).count == 1, "jitter happens as a whole or not at all")
      if operations[4] != nil { gray += 1 }
      if operations[5] != nil { blurred += 1 }
      for operation in operations.compactMap({ $0 }) {
        switch operation {
        case .brightness(let factor), .contrast(let factor), .saturation(let factor):
          #expect((0.6...1.4).contains(factor))
        case .hue(let turns): #expect((-0.1...0.1).contains(turns))
        case .blur(let sigma): #expect((0.1...2).contains(sigma))
        case .grayscale, .solarize: break
        }
      }
    }
    #expect(abs(Double(jittered) / 4000 - 0.8) < 0.04)
    #expect(abs(Double(gray) / 4000 - 0.2) < 0.04)
    #expect(abs(Double(blurred) / 4000 - 0.5) < 0.04)
  }

  @Test func drawsFollowFromSeedEpochSampleAndView() {
    let recipe = view(.v2, 224)
    func draw(_ seed: UInt64, _ epoch: Int, _ sample: Int, _ view: Int) -> (ColorParameters, CropBox) {
      (
        recipe.colorParameters(seed: seed, epoch: epoch, sample: sample, view: view),
        recipe.geometry(seed: seed, epoch: epoch, sample: sample, view: view, width: 500, height: 375)
      )
    }
    let first = draw(1, 2, 3, 0)
    #expect(first == draw(1, 2, 3, 0))
    for other in [draw(2, 2, 3, 0), draw(1, 3, 3, 0), draw(1, 2, 4, 0), draw(1, 2, 3, 1)] {
      #expect(first.1 != other.1)
    }
  }

  @Test func demoLeavesGrayGray() {
    for sample in 0..<50 {
      let operations = view(.demo, 28).colorParameters(seed: 1, epoch: 0, sample: sample, view: 0)
        .operations
      #expect(operations.compactMap { $0?.kind }.allSatisfy { $0 == .brightness || $0 == .contrast })
    }
  }
}

@Suite struct EpochSamplers {
  @Test func everyEpochVisitsEverySampleOnceInAnotherOrder() {
    let sampler = EpochSampler(count: 103, batchSize: 10, seed: 9)
    #expect(sampler.batchesPerEpoch == 10)
    for epoch in 0..<3 { #expect(sampler.order(epoch: epoch).sorted() == Array(0..<103)) }
    #expect(sampler.order(epoch: 0) != sampler.order(epoch: 1))
    #expect(sampler.order(epoch: 0) != EpochSampler(count: 103, batchSize: 10, seed: 8).order(epoch: 0))
  }

  @Test func batchesAreTheOrderCutUpWithoutTheRest() {
    let sampler = EpochSampler(count: 23, batchSize: 5, seed: 4)
    let batches = (0..<sampler.batchesPerEpoch).map { sampler.batch(epoch: 2, index: $0) }
    #expect(batches.map(\.count) == [5, 5, 5, 5])
    #expect(batches.flatMap { $0 } == Array(sampler.order(epoch: 2)[..<20]))
  }
}
