import Data
import Files
import Foundation
import Images
import TestSupport
import Testing
import Torch
@testable import Evaluation

@Suite struct SegmentationMeasures {
  private static let classes = 3

  /// Random numbers below `classes`, some ignored.
  private func labels(_ count: Int, seed: UInt64, ignored: Bool) -> [UInt8] {
    var random = CounterGenerator(seed: seed, .sampleOrder, 0)
    return (0..<count).map { _ in
      ignored && random.index(below: 10) == 0 ? LabelMap.ignored : UInt8(random.index(below: Self.classes))
    }
  }

  private func makePairs(_ folder: String, _ sizes: [(height: Int, width: Int)], seed: UInt64) throws
    -> (spec: String, truth: [[UInt8]])
  {
    for name in ["images", "masks"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    var all: [[UInt8]] = []
    for (number, size) in sizes.enumerated() {
      let truth = labels(size.height * size.width, seed: seed + UInt64(number), ignored: true)
      let map = LabelMap(height: size.height, width: size.width, labels: truth)
      try put(Array(try map.pngData()), at: "\(folder)/masks/\(number).png")
      let pixels = [UInt8](repeating: 99, count: truth.count * 3)
      try put(
        Array(try RGBImage(width: size.width, height: size.height, pixels: pixels).pngData()),
        at: "\(folder)/images/\(number).png")
      all.append(truth)
    }
    try put(Array("ground\ntree\n\"house, old\"\n".utf8), at: "\(folder)/masks/classes.txt")
    return ("\(folder)/images@\(folder)/masks", all)
  }

  /// Against counting by hand, over more images than a block has.
  @Test func scoresAreThoseOfAllPixelsTogether() throws {
    try withFolder { folder in
      let sizes = (0..<11).map { (height: 3 + $0 % 4, width: 5 + $0 % 3) }
      let (spec, truth) = try makePairs(folder, sizes, seed: 3)
      let set = try SegmentationDataset.open(spec, SegmentationOptions(use: .testing))
      let names = SegmentationMeasure.names(of: set)
      #expect(names == (0..<11).map(String.init).sorted().map { $0 + ".png" })
      try FileManager.default.createDirectory(atPath: "\(folder)/found", withIntermediateDirectories: true)
      var counts = Array(repeating: Array(repeating: 0, count: Self.classes), count: Self.classes)
      var shares: [SegmentationMeasure.Share?] = []
      for (place, image) in set.images.enumerated() {
        let number = try #require(Int(image.name))
        let found = labels(truth[number].count, seed: 100 + UInt64(number), ignored: false)
        let map = LabelMap(height: sizes[number].height, width: sizes[number].width, labels: found)
        try put(Array(try map.pngData()), at: "\(folder)/found/\(names[place])")
        var (right, all) = (0, 0)
        for (own, predicted) in zip(truth[number], found) where own != LabelMap.ignored {
          counts[Int(own)][Int(predicted)] += 1
          (right, all) = (right + (own == predicted ? 1 : 0), all + 1)
        }
        shares.append(SegmentationMeasure.Share(right: right, of: all))
      }
      let measured = try SegmentationMeasure(set, predictions: "\(folder)/found").measured()
      #expect(measured.images == shares)
      for own in 0..<Self.classes {
        for predicted in 0..<Self.classes {
          #expect(measured.matrix[own, predicted] == counts[own][predicted])
        }
      }
      let overlaps = (0..<Self.classes).map { index in
        let union =
          counts[index].reduce(0, +) + counts.map { $0[index] }.reduce(0, +) - counts[index][index]
        return 100 * Double(counts[index][index]) / Double(union)
      }
      for (one, overlap) in zip(measured.scores.classes, overlaps) {
        #expect(abs((one.iou ?? .nan) - overlap) < 1e-12)  // the same two numbers, once more rounded
      }
      let mean = overlaps.reduce(0, +) / Double(Self.classes)
      #expect(abs((measured.scores["mIoU"] ?? .nan) - mean) < 1e-10)
      #expect(measured.scores["iIoU"] == nil)

      // An image without a prediction does not count.
      try FileManager.default.removeItem(atPath: "\(folder)/found/\(names[4])")
      let fewer = try SegmentationMeasure(set, predictions: "\(folder)/found").measured(without: [4])
      #expect(fewer.images[4] == nil && fewer.images.compactMap(\.self).count == 10)
      let left = try #require(shares[4])
      #expect(fewer.matrix.allPixels == measured.matrix.allPixels - left.of)
    }
  }

  @Test func aPredictionOfAnotherSizeIsNamed() throws {
    try withFolder { folder in
      let (spec, _) = try makePairs(folder, [(3, 5)], seed: 1)
      let set = try SegmentationDataset.open(spec, SegmentationOptions(use: .testing))
      let map = LabelMap(height: 5, width: 5, labels: [UInt8](repeating: 0, count: 25))
      try put(Array(try map.pngData()), at: "\(folder)/0.png")
      #expect(throws: EvaluationError.pixels(truth: 15, prediction: 25, name: "0")) {
        try SegmentationMeasure(set, predictions: folder).measured()
      }
      let strange = LabelMap(height: 3, width: 5, labels: [UInt8](repeating: 7, count: 15))
      try put(Array(try strange.pngData()), at: "\(folder)/0.png")
      #expect(throws: EvaluationError.strangeClass(7, classes: 3, name: "the prediction of 0")) {
        try SegmentationMeasure(set, predictions: folder).measured()
      }
    }
  }

  /// Two sets that are joined may have images of the same name.
  @Test func imagesOfOneNameHaveFilesOfTheirOwn() throws {
    try withFolder { folder in
      let (one, _) = try makePairs("\(folder)/a", [(2, 2), (2, 2)], seed: 1)
      let (two, _) = try makePairs("\(folder)/b", [(2, 2)], seed: 9)
      let set = try SegmentationDataset.open("\(one)+\(two)", SegmentationOptions(use: .testing))
      #expect(SegmentationMeasure.names(of: set) == ["0.png", "1.png", "0~2.png"])
    }
  }

  // MARK: - Tables

  @Test func aTableOfConfusionSurvivesItsFile() throws {
    var matrix = ConfusionMatrix(classes: 3)
    try matrix.add(truth: [0, 0, 1, 2, 2, 2], prediction: [0, 1, 1, 2, 0, 2], name: "a")
    let table = ConfusionTable(matrix, classNames: ["sky", "house, \"old\"", "two\nlines"])
    try withFolder { folder in
      try put(Array(table.csv.utf8), at: "\(folder)/a.csv")
      #expect(try ConfusionTable(contentsOf: "\(folder)/a.csv") == table)
      #expect(table.csv.hasPrefix("true \\ predicted,sky,\"house, \"\"old\"\"\",\"two\nlines\"\nsky,1,1,0\n"))
    }
  }

  @Test(arguments: [
    ("", "this is no table of 0 classes."), ("x,a,b\na,1,2\n", "this is no table of 2 classes."),
    ("x,a\na,one\n", "the row `a` has no 1 numbers of pixels."),
    ("x,a\na,-3\n", "the row `a` has no 1 numbers of pixels."),
    ("x,a\na,99999999999999999999\n", "the row `a` has no 1 numbers of pixels."),
    ("x,a\na,9000000000000000000\n", "the row `a` has no 1 numbers of pixels."),
    ("x,\"a", "this is no table of 1 classes."),
  ])
  func aDamagedTableIsRefused(text: String, problem: String) throws {
    try withFolder { folder in
      try put(Array(text.utf8), at: "\(folder)/a.csv")
      let error = try failure(RunError.self) { _ = try ConfusionTable(contentsOf: "\(folder)/a.csv") }
      #expect(error.description == "\(folder)/a.csv: \(problem)")
    }
  }

  @Test func everyNumberHasAKnownName() {
    let scores = SegmentationScores(
      ConfusionMatrix(classes: 2), classNames: ["road", "sidewalk"],
      cityscapes: CityscapesSemanticEvaluation())
    #expect(scores.values.map(\.name) == SegmentationScores.names)
  }

  @Test func ofManyClassesTheHardestAreShown() {
    var scores = SegmentationScores(
      [.init("mIoU", 50), .init("IoU category", nil)],
      classes: (0..<50).map { .init("class \($0)", pixels: 1, iou: $0 == 0 ? nil : Double($0), accuracy: 1) })
    let table = scores.table()
    #expect(table[0] == "mIoU     IoU category  " && table[1] == "50.00    –             ")
    #expect(table[2].hasPrefix("class       IoU      ACC"))
    #expect(
      table.count == 3 + 40 + 1 && table[3].hasPrefix("class 1 ") && table[43] == "the 40 hardest of 50")
    scores.classes = [.init("sky", pixels: 1, iou: nil, accuracy: nil, instanceIoU: 12)]
    #expect(
      scores.table()[2].contains("iIoU") && scores.table()[3] == "sky         –        –        12.00    ")
  }

  // MARK: - Tiles

  @Test func tilesCoverASideAndOverlapByAThird() {
    for size in [1, 2, 3, 33, 64] {
      for side in 1...200 {
        let tiles = SegmenterInference.tiles(side, of: size)
        #expect(Set(tiles.flatMap(\.self)) == Set(0..<side), "\(side) in \(size)")
        guard side > size else {
          #expect(tiles == [0..<side])
          continue
        }
        #expect(tiles.allSatisfy { $0.count == size })
        for (first, second) in zip(tiles, tiles.dropFirst()) {
          #expect(second.lowerBound > first.lowerBound)
          #expect(3 * (first.upperBound - second.lowerBound) >= (size >= 2 ? size : 0))
        }
      }
    }
  }
}
