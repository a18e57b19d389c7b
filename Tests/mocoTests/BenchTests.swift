import Foundation
import Testing

/// `moco bench step` and `moco bench queue` on steps that take no time: what they count, not how long it took.
@Suite(.serialized) struct BenchTests {
  private let small = [
    "--arch", "resnet8", "--batch-size", "4", "--image-size", "16", "--bn-splits", "2", "--warmup", "0",
    "--device",
    "cpu", "--json",
  ]

  private struct Step: Decodable {
    struct Roofline: Decodable { let operations, bytes, floor, overFloor: Double }
    let secondsPerStep, imagesPerSecond: Double
    let roofline: Roofline
    let precision: String
    let threads: Int
    let losses: [Double]
  }

  private struct Queue: Decodable {
    struct Size: Decodable {
      let keys: Int
      let secondsPerStep: Double
    }
    let sizes: [Size]
    let ratio: Double
  }

  private func decoded<Value: Decodable>(_ arguments: [String], threads: Int = 1) throws -> Value {
    let result = try Program.run(arguments, threads: threads)
    #expect(result.code == 0, "\(result.errors)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Value.self, from: Data(result.output.utf8))
  }

  /// ResNet-8 on 16×16 pixels: the operations of its layers, by hand.
  @Test func theOperationsOfAStepAreThoseOfItsLayers() throws {
    let step: Step = try decoded(["bench", "step", "--steps", "1", "--moco-k", "8"] + small)
    func conv(_ side: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int) -> Int {
      2 * 4 * side * side * inputs * outputs * kernel * kernel
    }
    let stem = conv(16, 3, 16, 3)
    let stages = [
      2 * conv(16, 16, 16, 3),
      conv(8, 16, 32, 3) + conv(8, 32, 32, 3) + conv(8, 16, 32, 1),
      conv(4, 32, 64, 3) + conv(4, 64, 64, 3) + conv(4, 32, 64, 1),
    ]
    let head = 2 * 4 * 64 * 128
    let network = stem + stages.reduce(0, +) + head
    let negatives = 2 * 4 * 128 * 8
    let weights =
      3 * 16 * 9 + 2 * 16 * 16 * 9 + 16 * 32 * 9 + 32 * 32 * 9 + 16 * 32 + 32 * 64 * 9 + 64 * 64 * 9 + 32 * 64
      + 64 * 128 + 128 + 2 * (3 * 16 + 3 * 32 + 3 * 64)
    // The key encoder goes forward; the query encoder forward and twice backward, but its images need no gradient. So
    // do the negatives. The optimizer and the average take seven operations a weight.
    let expected = 4 * network - stem + 2 * negatives + 7 * weights
    #expect(Int(step.roofline.operations) == expected)
    #expect(step.roofline.bytes > 0 && step.roofline.floor > 0 && step.roofline.overFloor > 0)
    #expect(step.secondsPerStep > 0 && step.imagesPerSecond > 0 && step.precision == "float32")
  }

  @Test func dictionariesAreComparedInOrder() throws {
    let queue: Queue = try decoded(["bench", "queue", "--rounds", "1", "--moco-k", "8", "64"] + small)
    #expect(queue.sizes.map(\.keys) == [8, 64])
    #expect(queue.sizes.allSatisfy { $0.secondsPerStep > 0 } && queue.ratio > 0)
  }

  /// ResNet-18 on 32×32 pixels has every kernel of ours: normalisation, Winograd's convolution, products over patches.
  @Test func threadsShareKernelsAndComputeWhatOneDoes() throws {
    func step(threads: Int) throws -> Step {
      try decoded(
        [
          "bench", "step", "--batch-size", "16", "--moco-k", "16", "--warmup", "0", "--steps", "3",
          "--device", "cpu", "--json",
        ], threads: threads)
    }
    let one = try step(threads: 1), two = try step(threads: 2), again = try step(threads: 2)
    let promised = try Program.run(["doctor"], threads: 2).output
    #expect(one.threads == 1 && two.threads == 2 && promised.contains(": 2 compute, "))
    #expect(two.losses.count == 4 && two.losses == again.losses)  // one step more, whose work was counted
    #expect(one.losses == two.losses)  // to the last bit
  }

  @Test func aComparisonNeedsTwoSizes() throws {
    let result = try Program.run(["bench", "queue", "--moco-k", "8"])
    #expect(result.code == 2 && result.errors == "moco: --moco-k 8: give two sizes to compare.\n")
  }
}
