import Data
import Files
import Foundation
import Images
import TestSupport
import Testing
@testable import Evaluation

@Suite struct CityscapesLabelMaps {
  private static let (height, width) = (4, 6)

  /// Label ids: road, a car of two instances, void, and a person.
  private static let labels: [UInt8] = [
    7, 7, 7, 26, 26, 26,
    7, 7, 7, 26, 26, 26,
    7, 24, 24, 3, 3, 3,
    7, 24, 24, 3, 3, 3,
  ]
  private static let instances: [Int32] = labels.enumerated().map { place, label in
    switch label {
    case 26: place % 6 == 3 ? 26_000 : 26_001
    case 24: 24_000
    default: Int32(label)
    }
  }

  private func predictions(_ number: Int) -> [UInt8] {
    Self.labels.enumerated().map { place, label in
      label == 3 ? 7 : (place + number) % 5 == 0 ? 11 : label
    }
  }

  /// A set of two images, and their label maps beside it.
  private func makeSet(_ folder: String) throws -> String {
    for city in ["aachen", "bonn"] {
      let stem = "\(city)_000000_000001"
      for part in ["leftImg8bit/val/\(city)", "gtFine/val/\(city)", "found"] {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
      }
      let pixels = [UInt8](repeating: 9, count: Self.labels.count * 3)
      try put(
        Array(try RGBImage(width: Self.width, height: Self.height, pixels: pixels).pngData()),
        at: "\(folder)/leftImg8bit/val/\(city)/\(stem)_leftImg8bit.png")
      let truth = LabelMap(height: Self.height, width: Self.width, labels: Self.labels)
      try put(Array(try truth.pngData()), at: "\(folder)/gtFine/val/\(city)/\(stem)_gtFine_labelIds.png")
      try put(
        Array(gray16PNG(Self.instances.map { UInt16($0) }, width: Self.width, height: Self.height)),
        at: "\(folder)/gtFine/val/\(city)/\(stem)_gtFine_instanceIds.png")
      let found = LabelMap(
        height: Self.height, width: Self.width, labels: predictions(city == "bonn" ? 1 : 0))
      try put(Array(try found.pngData()), at: "\(folder)/found/\(stem)_leftImg8bit_x.png")
    }
    return "\(folder):val"
  }

  /// The evaluation of one image after the other is checked against cityscapesScripts.
  @Test func aFolderOfLabelMapsHasTheNumbersOfItsImages() throws {
    try withFolder { folder in
      let spec = try makeSet(folder)
      let score = try DetectionScore.cityscapes(spec, labelMaps: "\(folder)/found")
      var evaluation = CityscapesSemanticEvaluation()
      for number in 0..<2 {
        try evaluation.add(
          labels: Self.labels, instances: Self.instances, prediction: predictions(number), name: "image")
      }
      #expect(
        score.numbers == [
          .init("mIoU", evaluation.meanIoU), .init("iIoU", evaluation.meanInstanceIoU),
          .init("IoU category", evaluation.meanCategoryIoU),
          .init("iIoU category", evaluation.meanCategoryInstanceIoU),
        ])
      #expect(score.numbers.allSatisfy { $0.value != nil } && score.classes.count == 19 + 7)
      let car = try #require(score.classes.first { $0.name == "car" })
      #expect(car.numbers.map(\.value) == [evaluation.labelIoU(26), evaluation.labelInstanceIoU(26)])

      // The test of a training names the files by the images.
      let set = try SegmentationDataset.open(spec, SegmentationOptions(use: .testing))
      for name in SegmentationMeasure.names(of: set) {
        let stem = name.lastPathPart.dropLast(4)
        try FileManager.default.createDirectory(
          atPath: "\(folder)/own/\(name)".parentFolderPath, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
          atPath: "\(folder)/found/\(stem)_leftImg8bit_x.png", toPath: "\(folder)/own/\(name)")
      }
      let measured = try SegmentationMeasure(set, predictions: "\(folder)/own").measured()
      #expect(measured.scores["mIoU"] == evaluation.meanIoU.map { 100 * $0 })
      #expect(measured.scores["iIoU"] == evaluation.meanInstanceIoU.map { 100 * $0 })
      #expect(
        measured.scores.classes.first { $0.name == "car" }?.instanceIoU
          == evaluation.labelInstanceIoU(26).map { 100 * $0 })
      // Of 24 pixels 6 have no class.
      #expect(measured.matrix.allPixels == 2 * 18)
      #expect(try DetectionScore.cityscapes(spec, labelMaps: "\(folder)/own") == score)
    }
  }

  @Test func whatIsMissingOrTwiceIsNamed() throws {
    try withFolder { folder in
      let spec = try makeSet(folder)
      func problem(_ predictions: String) throws -> String {
        try failure(UsageError.self) { _ = try DetectionScore.cityscapes(spec, labelMaps: predictions) }
          .description.replacing(folder, with: "FOLDER")
      }
      #expect(
        try problem("\(folder)/gtFine/val/aachen").hasPrefix(
          "FOLDER/gtFine/val/aachen holds 2 label maps of aachen/aachen_000000_000001: "))
      try FileManager.default.removeItem(atPath: "\(folder)/found/bonn_000000_000001_leftImg8bit_x.png")
      #expect(
        try problem("\(folder)/found")
          == "FOLDER/found holds no label map of bonn/bonn_000000_000001; each image of the split needs one")
      try FileManager.default.createDirectory(atPath: "\(folder)/empty", withIntermediateDirectories: true)
      #expect(
        try problem("\(folder)/empty")
          == "FOLDER/empty holds no label maps: PNG files whose names begin with city, sequence and frame, as "
          + "frankfurt_000000_000294.png")
    }
  }
}

extension String {
  fileprivate var parentFolderPath: String {
    URL(fileURLWithPath: self).deletingLastPathComponent().path
  }
}

/// A PNG of 16-bit gray without compression: zlib's stored block.
private func gray16PNG(_ numbers: [UInt16], width: Int, height: Int) -> Data {
  var raw: [UInt8] = []
  for y in 0..<height {
    raw.append(0)
    for x in 0..<width { raw += bigEndian(numbers[y * width + x]) }
  }
  var (a, b) = (UInt32(1), UInt32(0))
  for byte in raw {
    a = (a + UInt32(byte)) % 65521
    b = (b + a) % 65521
  }
  let length = UInt16(raw.count)
  var zlib: [UInt8] = [0x78, 0x01, 1]
  zlib += bigEndian(length).reversed()
  zlib += bigEndian(~length).reversed()
  zlib += raw
  zlib += bigEndian(b << 16 | a)
  let header: [UInt8] = bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [16, 0, 0, 0, 0]
  return Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) + pngChunk("IHDR", header)
    + pngChunk("IDAT", zlib) + pngChunk("IEND", [])
}

private func pngChunk(_ name: String, _ content: [UInt8]) -> Data {
  let named = Array(name.utf8) + content
  var crc = UInt32.max
  for byte in named {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
  return Data(bigEndian(UInt32(content.count)) + named + bigEndian(~crc))
}

private func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}
