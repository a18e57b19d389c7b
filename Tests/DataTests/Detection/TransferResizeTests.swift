import Data
import Foundation
import Images
import TestSupport
import Testing
import Torch

/// Sizes, pixels and annotations as detectron2 makes them; all files `resize*.json` below the folder TRANSFER_CASES, or
/// the one beside these tests.
@Suite struct TransferResizeTests {
  private struct Case: Decodable {
    struct Shape: Decodable { let height, width, shortEdge, maxSize: Int; let result: [Int] }
    struct Digest: Decodable { let shape: [Int]; let sum, l2, dot: Double; let first, last: [Double] }
    struct Picture: Decodable {
      let height, width, salt: Int; let new: [Int]; let digest: Digest; let firstRow: [Double]
    }
    struct Object: Decodable { let box, polygon: [Double]; let keypoints: [[Double]] }
    struct Image: Decodable {
      let height, width: Int
      let new: [Int]
      let source, result: [Object]
      let keptClasses: [Int]
    }
    struct Annotations: Decodable { let flip: Bool; let keypointSwap: [Int]; let images: [Image] }

    let shapes: [Shape]
    let image: Picture
    let annotations: [Annotations]
  }

  private static func cases() throws -> [Case] {
    let own = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/transfer").path
    let folder = ProcessInfo.processInfo.environment["TRANSFER_CASES"] ?? own
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try names.filter {
      $0.hasSuffix(".json") && ($0 as NSString).lastPathComponent.hasPrefix("resize")
    }
    .sorted().map { name in
      print("transfer case: \(name)")
      let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))
      return try decoder.decode(Case.self, from: data)
    }
  }

  @Test func sizesAreThePublishedOnes() throws {
    for shape in try Self.cases().flatMap(\.shapes) {
      let resize = ResizeShortestEdge(shortSides: [shape.shortEdge], maxSide: shape.maxSize)
      let size = resize.size(height: shape.height, width: shape.width, shortSide: shape.shortEdge)
      #expect([size.height, size.width] == shape.result)
    }
  }

  /// Bytes agree exactly, and so do their sums.
  @Test func pixelsAreThePublishedOnes() throws {
    for test in try Self.cases() {
      let picture = test.image
      let bytes = formula(salt: picture.salt, shape: [picture.height, picture.width, 3]).array(
        of: Double.self
      )
      .map { UInt8(floor(($0 + 1) * 128)) }
      let image = RGBImage(width: picture.width, height: picture.height, pixels: bytes)
      for isFlipped in [false, true] {
        var out = [UInt8](repeating: 0, count: picture.new[0] * picture.new[1] * 3)
        try out.withUnsafeMutableBytes { out in
          try image.withPixels {
            try $0.write(
              CropBox(box: .whole(picture.width, picture.height), isFlipped: isFlipped),
              ViewShape(height: picture.new[0], width: picture.new[1]), to: out)
          }
        }
        let values = isFlipped ? mirrored(out, width: picture.new[1]) : out.map(Double.init)
        #expect(Array(values.prefix(picture.firstRow.count)) == picture.firstRow)
        #expect(values.reduce(0, +) == picture.digest.sum)
        #expect(
          Array(values.prefix(4)) == picture.digest.first && Array(values.suffix(4)) == picture.digest.last)
        let weights = formula(salt: 4242, shape: [values.count]).array(of: Double.self)
        let dot = zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 }
        // The order of ten thousand additions.
        #expect(abs(dot - picture.digest.dot) < 1e-9 * abs(picture.digest.dot))
      }
    }
  }

  private func mirrored(_ bytes: [UInt8], width: Int) -> [Double] {
    bytes.indices.map { place in
      let (row, x, channel) = (place / (width * 3), place / 3 % width, place % 3)
      return Double(bytes[(row * width + width - 1 - x) * 3 + channel])
    }
  }

  @Test func annotationsAreThePublishedOnes() throws {
    for test in try Self.cases().flatMap(\.annotations) {
      // Names whose mirror is the file's.
      let names = test.keypointSwap.enumerated().map { place, other in
        place == other ? "p\(place)" : place < other ? "left \(place)" : "right \(other)"
      }
      let layout = KeypointLayout(names: names)
      #expect(layout.mirrored == test.keypointSwap)
      for image in test.images {
        let transform = ObjectTransform(
          from: (image.height, image.width), to: (image.new[0], image.new[1]), isFlipped: test.flip,
          keypoints: layout)
        let moved = image.source.enumerated().map { transform(object($1, classIndex: $0)) }
        #expect(moved.compactMap { $0?.classIndex } == image.keptClasses)
        for (found, expected) in zip(moved, image.result) {
          guard let found, case .polygons(let polygons) = found.mask else { continue }
          let box = [found.box.x0, found.box.y0, found.box.x1, found.box.y1]
          // Two roundings of numbers below 1000.
          expectNear(box, expected.box, 1e-12)
          expectNear(polygons[0], expected.polygon, 1e-12)
          let points = found.keypoints.flatMap { [$0.x, $0.y, Double($0.visibility.rawValue)] }
          expectNear(points, Array(expected.keypoints.joined()), 1e-12)
        }
      }
    }
  }

  private func object(_ source: Case.Object, classIndex: Int) -> AnnotatedObject {
    AnnotatedObject(
      box: BoundingBox(x0: source.box[0], y0: source.box[1], x1: source.box[2], y1: source.box[3]),
      classIndex: classIndex, mask: .polygons([source.polygon]),
      keypoints: source.keypoints.map {
        Keypoint(x: $0[0], y: $0[1], visibility: Keypoint.Visibility(rawValue: Int($0[2])) ?? .unlabeled)
      })
  }
}

private func expectNear(_ found: [Double], _ expected: [Double], _ tolerance: Double) {
  #expect(found.count == expected.count)
  for (a, b) in zip(found, expected) { #expect(abs(a - b) <= tolerance * max(1, abs(b))) }
}
