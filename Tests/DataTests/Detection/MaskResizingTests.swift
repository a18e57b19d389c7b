import Data
import Foundation
import Testing
import Torch

@Suite struct MaskResizingTests {
  private struct Cases: Decodable {
    struct Case: Decodable {
      let mask, resized: [String]
      let flip: Bool
    }
    let cases: [Case]
  }

  /// Oracle: Pillow's NEAREST; see make_masks.py.
  @Test func masksAreResizedAsByPillow() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/masks.json")
    let cases = try JSONDecoder().decode(Cases.self, from: Data(contentsOf: path)).cases
    #expect(cases.count == 10)
    for test in cases {
      let resized = mask(test.mask).resized(
        height: test.resized.count, width: test.resized[0].count, isFlipped: test.flip)
      #expect(resized == mask(test.resized))
    }
  }

  @Test func aMaskThatLosesItsPixelsLosesItsObject() {
    let thin = RunLengthMask(polygons: [[0, 0, 1, 0, 1, 8, 0, 8]], height: 8, width: 8)
    let object = AnnotatedObject(
      box: BoundingBox(x0: 0, y0: 0, x1: 1, y1: 8), classIndex: 0, mask: .runLengths(thin))
    let same = ObjectTransform(from: (8, 8), to: (8, 8), isFlipped: false, keypoints: .none)
    #expect(same(object) == object)
    let small = ObjectTransform(from: (8, 8), to: (2, 2), isFlipped: false, keypoints: .none)
    #expect(small(object) == nil)
  }

  private func mask(_ rows: [String]) -> RunLengthMask {
    let bytes = rows.flatMap { $0.utf8.map { $0 - 48 } }
    return bytes.withUnsafeBytes { RunLengthMask(bitmap: $0, height: rows.count, width: rows[0].utf8.count) }
  }
}
