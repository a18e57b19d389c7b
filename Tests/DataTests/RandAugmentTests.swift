import Foundation
import Images
import Testing
import Torch
@testable import Data

/// RandAugment against timm 1.0.31 and Pillow 12; see Fixtures/make_rand_augment.py.
@Suite struct RandAugmentTests {
  private struct Fixture: Decodable {
    struct Case: Decodable {
      let picture: String
      let name: String
      let magnitude: Double
      let negative: Bool
      let filter: String
      let argument: [Double]
      let pixels: Foundation.Data
    }
    let height: Int
    let width: Int
    let fill: [UInt8]
    let operations: [String]
    let pictures: [String: Foundation.Data]
    let cases: [Case]
  }

  private static func fixture() throws -> Fixture {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(
      path: "Fixtures/rand_augment.json")
    return try JSONDecoder().decode(Fixture.self, from: Foundation.Data(contentsOf: url))
  }

  @Test func everyOperationGivesTimmsBytes() throws {
    let fixture = try Self.fixture()
    let kinds = PixelOperation.Kind.allCases
    #expect(fixture.operations.count == kinds.count && fixture.cases.count == 59)
    var seen: Set<String> = []
    for one in fixture.cases {
      let number = try #require(fixture.operations.firstIndex(of: one.name))
      let kind = kinds[number]
      let operation = PixelOperation(kind, magnitude: one.magnitude, isNegative: one.negative)
      let filter = try #require(Interpolation(rawValue: one.filter))
      var pixels = [UInt8](try #require(fixture.pictures[one.picture]))
      pixels.withUnsafeMutableBytes { bytes in
        operation.apply(
          to: PixelBuffer(bytes, height: fixture.height, width: fixture.width), fill: fixture.fill,
          filter: filter)
      }
      #expect(pixels == [UInt8](one.pixels), "\(one.name) at \(one.magnitude), \(operation)")
      seen.insert(one.name)
    }
    #expect(seen.count == kinds.count)
  }

  @Test func magnitudesMeanWhatTheyMeanInTimm() throws {
    let fixture = try Self.fixture()
    for one in fixture.cases {
      let number = try #require(fixture.operations.firstIndex(of: one.name))
      let kind = PixelOperation.Kind.allCases[number]
      let operation = PixelOperation(kind, magnitude: one.magnitude, isNegative: one.negative)
      let argument: Double? =
        switch operation {
        case .autoContrast, .equalize, .invert: nil
        case .posterize(let bits): Double(bits)
        case .solarize(let threshold): Double(threshold)
        case .solarizeAdd(let amount): Double(amount)
        case .rotate(let value), .color(let value), .contrast(let value), .brightness(let value),
          .sharpness(let value), .shearX(let value), .shearY(let value), .translateX(let value),
          .translateY(let value):
          value
        }
      #expect(argument == one.argument.first, "\(one.name) at \(one.magnitude)")
    }
  }

  @Test func aPictureOfOneLevelAndASmallOneStayWhole() {
    for (height, width) in [(1, 1), (2, 5), (3, 3)] {
      for kind in PixelOperation.Kind.allCases {
        var pixels = [UInt8](repeating: 77, count: height * width * 3)
        pixels.withUnsafeMutableBytes {
          PixelOperation(kind, magnitude: 10, isNegative: true).apply(
            to: PixelBuffer($0, height: height, width: width), fill: [77, 77, 77], filter: .bicubic)
        }
        // Of one level all pixels are still of one: nothing else is read.
        #expect(Set(pixels).count == 1, "\(kind) of \(height) × \(width)")
      }
    }
  }

  @Test func drawsDependOnTheirPlaceAndHitEveryOperation() {
    let augment = RandAugment()
    var kinds: [String: Int] = [:]
    var total = 0
    for sample in 0..<3000 {
      let drawn = augment.operations(seed: 1, epoch: 2, sample: sample, view: 0)
      #expect(drawn == augment.operations(seed: 1, epoch: 2, sample: sample, view: 0))
      #expect(drawn.count <= 2)
      total += drawn.count
      for operation in drawn { kinds["\(operation)".prefix { $0 != "(" }.description, default: 0] += 1 }
    }
    // Two layers, each with a chance of a half: 3,000 ± 39. Six deviations.
    #expect(abs(total - 3000) < 240)
    // A fifteenth each: 200 ± 14, and six deviations again.
    #expect(kinds.count == 15 && kinds.values.allSatisfy { abs($0 - 200) < 90 }, "\(kinds)")
    let others = (0..<100).count {
      augment.operations(seed: 1, epoch: 2, sample: $0, view: 0)
        != augment.operations(seed: 1, epoch: 3, sample: $0, view: 0)
    }
    #expect(others > 60)
  }

  @Test func magnitudesSpreadAndStayInTheirRange() {
    let augment = RandAugment(layers: 1, magnitude: 9, deviation: 0.5, probability: 1)
    var degrees: [Double] = []
    for sample in 0..<8000 {
      for case .rotate(let turn) in augment.operations(seed: 4, epoch: 0, sample: sample, view: 0) {
        degrees.append(turn)
      }
    }
    #expect(degrees.count > 400 && degrees.allSatisfy { abs($0) <= 30 })
    #expect(degrees.contains { $0 > 0 } && degrees.contains { $0 < 0 })
    // 9 of 10 is 27 degrees, the deviation 1.5. The upper cut at two deviations moves the mean by 0.013: six deviations
    // of the mean of 400 are 0.45.
    let mean = degrees.map(abs).reduce(0, +) / Double(degrees.count)
    #expect(abs(mean - 27) < 0.5)
    #expect(Set(degrees.map { abs($0) }).count > 300)
  }

  @Test func textIsTimms() {
    #expect(RandAugment("rand-m9-mstd0.5-inc1") == RandAugment())
    #expect(RandAugment().description == "rand-m9-mstd0.5-inc1")
    #expect(
      RandAugment("rand-inc1-n3-p0.7-m5")
        == RandAugment(layers: 3, magnitude: 5, deviation: 0, probability: 0.7))
    for text in ["rand-m9-mstd0.5-inc1", "rand-m7-n3-inc1", "rand-m4.5-p0.2-mstd1-inc1"] {
      #expect(RandAugment(text)?.description == text)
    }
    for wrong in [
      "", "rand", "rand-m9", "rand-m9-inc0", "rand-m11-inc1", "rand-m-inc1", "rand-n0-inc1", "rand-n1e9-inc1",
      "rand-x1-inc1", "augmix-m3", "rand-m9-inc1-", "rand-mnan-inc1", "rand-m-1-inc1",
    ] {
      #expect(RandAugment(wrong) == nil, "\(wrong)")
    }
  }

  /// What the loader's threads make is the crop, then the drawn operations on it.
  @Test func aLoadersViewHasTheOperationsBehindItsCrop() throws {
    let side = 24
    let pixels = (0..<side * side * 3).map { UInt8(truncatingIfNeeded: $0 * 37 + $0 / 50) }
    let image = RGBImage(width: side, height: side, pixels: pixels)
    let augment = RandAugment(layers: 3, magnitude: 8, deviation: 1, probability: 1)
    var view = Transform(
      imageSize: 16, steps: [.crop(scale: 0.3...1), .flip(probability: 0.5)], normalization: .imageNet)
    let scratch = ViewScratch()
    func made(_ view: Transform, sample: Int) throws -> [UInt8] {
      var out = [UInt8](repeating: 0, count: 16 * 16 * 3)
      _ = scratch.draw([view], Draw(seed: 1, epoch: 0, sample: sample), side, side)
      try out.withUnsafeMutableBytes { bytes in
        try image.withPixels { try scratch.write($0, [view], to: [bytes]) }
      }
      return out
    }
    var changed = 0
    for sample in 0..<10 {
      view.steps = [.crop(scale: 0.3...1), .flip(probability: 0.5)]
      var expected = try made(view, sample: sample)
      let plain = expected
      view.steps.append(.randAugment(augment))
      let operations = augment.operations(seed: 1, epoch: 0, sample: sample, view: 0)
      #expect(operations.count == 3)
      expected.withUnsafeMutableBytes { bytes in
        for operation in operations {
          operation.apply(
            to: PixelBuffer(bytes, height: 16, width: 16), fill: [124, 116, 104], filter: .bilinear)
        }
      }
      let found = try made(view, sample: sample)
      #expect(found == expected)
      if found != plain { changed += 1 }
    }
    #expect(changed >= 8)
  }

  @Test func cropsByTheCubicFilterAreThoseOfEvaluation() throws {
    let side = 40
    let pixels = (0..<side * side * 3).map { UInt8(truncatingIfNeeded: $0 * 29 + $0 / 70) }
    let image = RGBImage(width: side, height: side, pixels: pixels)
    let box = CropBox(box: PixelRegion(left: 0, top: 0, width: side, height: side), isFlipped: true)
    var out = [UInt8](repeating: 0, count: 16 * 16 * 3)
    try out.withUnsafeMutableBytes { bytes in
      try image.withPixels {
        try $0.write(box, ViewShape(side: 16), by: .bicubic, to: bytes, using: ViewScratch())
      }
    }
    let whole = try image.evaluationView(
      EvaluationView(size: 16, resizing: .squash, interpolation: .bicubic))
    for y in 0..<16 {
      for x in 0..<16 {
        let (mine, theirs) = (3 * (16 * y + x), 3 * (16 * y + 15 - x))
        #expect(Array(out[mine..<mine + 3]) == Array(whole.pixels[theirs..<theirs + 3]))
      }
    }
  }
}
