import Testing
import Torch

@Suite struct RunLengthMasks {
  private let height = 50
  private let width = 60

  /// Half of a square, by its corners; counted by hand with COCO's rasteriser (5 · 10 + 0.5 …).
  private var triangle: RunLengthMask {
    RunLengthMask(polygons: [[10, 10, 20, 10, 20, 20]], height: height, width: width)
  }

  @Test func aTriangleHasCOCOsPixels() {
    // pycocotools 2.0.11: mask.frPyObjects([[10, 10, 20, 10, 20, 20]], 50, 60)
    #expect(triangle.area == 45)
    #expect(triangle.boundingBox == (11, 10, 9, 9))
  }

  @Test func aPolygonThatRunsRoundTwiceIsEmpty() {
    let square: [Double] = [10, 10, 20, 10, 20, 20, 10, 20]
    #expect(RunLengthMask(polygons: [square + square], height: height, width: width).area == 0)
  }

  @Test func bitmapAndTextGiveTheSameMaskBack() throws {
    let mask = triangle
    #expect(try RunLengthMask(compressed: mask.compressed, height: height, width: width) == mask)
    let again = mask.bitmap().withUnsafeBytes { RunLengthMask(bitmap: $0, height: height, width: width) }
    #expect(again == mask)
    #expect(mask.bitmap().reduce(0) { $0 + Int($1) } == mask.area)
  }

  @Test func unionAndIntersectionAreThoseOfThePixels() {
    let other = RunLengthMask(polygons: [[5, 12, 18, 12, 18, 30, 5, 30]], height: height, width: width)
    let (a, b) = (triangle.bitmap(), other.bitmap())
    #expect(RunLengthMask.union([triangle, other]).bitmap() == zip(a, b).map { $0 | $1 })
    #expect(RunLengthMask.intersection([triangle, other]).bitmap() == zip(a, b).map { $0 & $1 })
    let both = zip(a, b).count { $0 & $1 == 1 }
    let overlaps = RunLengthMask.overlaps(of: [triangle], with: [other, other], areCrowds: [false, true])
    #expect(overlaps[0] == Double(both) / Double(triangle.area + other.area - both))
    #expect(overlaps[1] == Double(both) / Double(triangle.area))
  }

  @Test func coordinatesFarOutsideTakeNoTime() {
    let far: [Double] = [-1e300, -1e300, 1e300, -1e300, .nan, .infinity, 30, 1e9]
    let mask = RunLengthMask(
      polygons: Array(repeating: far, count: 100), height: height, width: width)
    #expect(mask.counts.reduce(0, +) == UInt32(height * width))
  }

  @Test func runLengthsThatAreNoMaskAreErrors() {
    func message(_ text: String, _ height: Int = 4, _ width: Int = 5) -> String {
      do {
        _ = try RunLengthMask(compressed: Array(text.utf8), height: height, width: width)
        return "none"
      } catch { return "\(error)" }
    }
    #expect(message("5?") == "none")
    #expect(message("5") == "the run lengths add up to 5 pixels, and 4 × 5 are 20")
    #expect(message("5 ?") == "the run lengths have the byte 32 at place 1, which COCO's text does not use")
    #expect(message("5o") == "the run lengths end within the number that begins at place 1")
    #expect(message("5O") == "the run lengths have a run below 0 or above 4294967295 at place 1")
    #expect(message("oooooooooo0") == "the run lengths have a run below 0 or above 4294967295 at place 0")
    #expect(message("5?", 0, 5) == "no mask has 0 × 5 pixels; they are height and width, each at least 1")
    #expect(
      message("5?", 1 << 40, 1 << 40)
        == "no mask has 1099511627776 × 1099511627776 pixels; they are height and width, each at least 1")
    #expect(throws: RunLengthError.sum(pixels: 21, height: 4, width: 5)) {
      try RunLengthMask(counts: [5, 16], height: 4, width: 5)
    }
  }
}
