import Evaluation
import Testing

/// Maps of runs, which are counted eight pixels or a run at a time, against a count pixel by pixel.
@Suite struct PixelCountingTests {
  private struct Maps {
    private var state: UInt32 = 5

    private mutating func below(_ bound: Int) -> Int {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Int(state >> 8) % bound
    }

    /// Runs of 1 to 40 of some numbers.
    mutating func next<Number: FixedWidthInteger>(_ count: Int, of numbers: [Number]) -> [Number] {
      var map: [Number] = []
      while map.count < count {
        map += Array(repeating: numbers[below(numbers.count)], count: 1 + below(40))
      }
      return Array(map.prefix(count))
    }
  }

  @Test(arguments: [0, 1, 7, 8, 9, 1000, 1003])
  func runsCountAsTheirPixels(count: Int) throws {
    var maps = Maps()
    let truth: [UInt8] = maps.next(count, of: [0, 1, 2, 255])
    let prediction: [UInt8] = maps.next(count, of: [0, 1, 2])
    var matrix = ConfusionMatrix(classes: 3)
    try matrix.add(truth: truth, prediction: prediction, name: "a")
    for real in 0..<3 {
      for predicted in 0..<3 {
        let expected = zip(truth, prediction).filter { $0 == (UInt8(real), UInt8(predicted)) }.count
        #expect(matrix[real, predicted] == expected)
      }
    }
  }

  /// Two instances of persons and one of cars; each counts as the average size of its class.
  @Test func runsOfInstancesCountAsTheirPixels() throws {
    let count = 3000
    var maps = Maps()
    let instances: [Int32] = maps.next(count, of: [7, 24, 24_000, 24_001, 26_003])
    let labels = instances.map { UInt8($0 < 1000 ? $0 : $0 / 1000) }
    let prediction: [UInt8] = maps.next(count, of: [7, 24, 25, 26])
    var evaluation = CityscapesSemanticEvaluation(averageSizes: ["person": 100, "car": 100])
    try evaluation.add(labels: labels, instances: instances, prediction: prediction, name: "a")
    var (right, missed) = (0.0, 0.0)
    for instance: Int32 in [24_001, 24_000] {
      let found = (0..<count).filter { instances[$0] == instance }
      let hits = found.count(where: { prediction[$0] == 24 })
      right += 100 * Double(hits) / Double(found.count)
      missed += 100 * Double(found.count - hits) / Double(found.count)
    }
    let wrong = (0..<count).count(where: { prediction[$0] == 24 && labels[$0] != 24 })
    let iIoU = try #require(evaluation.labelInstanceIoU(24))
    // Sums of a few numbers in another order.
    #expect(abs(iIoU - right / (right + missed + Double(wrong))) < 1e-12)
  }
}
