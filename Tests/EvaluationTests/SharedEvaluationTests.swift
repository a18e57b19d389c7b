import Data
import Distributed
import Foundation
import Models
import TestSupport
import Testing
@testable import Evaluation

/// What ranks make of a data set together.
@Suite(.serialized) struct SharedEvaluationTests {
  private func input(maxBad: Double) -> EvaluationInput {
    EvaluationInput(
      EncoderSpec(arch: .resnet8, imageSize: 16), workers: 1, maxBad: Fraction(value: maxBad))
  }

  /// 7 and 5 images, of which each rank encodes its own; one cannot be read.
  @Test func sharedFeaturesStandInTheDataSetsOrderAndNameWhatIsUnreadable() async throws {
    let data = try makeColourFolder(imagesPerClass: 4)
    let broken = data + "/green/002.png"
    try Data("no image".utf8).write(to: URL(fileURLWithPath: broken))
    let input = input(maxBad: 0.1)
    let alone = try EvaluationData(data, split: .train, input: input).pixels(on: .cpu)
    for count in [2, 3, 5] {
      let sets = try await withRankContexts(count) { context in
        let all = try EvaluationData(data, split: .train, input: input).shared(over: context) {
          try $0.pixels(on: .cpu)
        }
        return Shared(all)
      }
      #expect(sets.count == count && sets.allSatisfy { $0 == Shared(alone) }, "\(count) ranks")
    }
    #expect(alone.samples == Array(0..<12).filter { $0 != 6 } && alone.unreadable.map(\.sample) == [6])

    // A share of 3 with one bad image is a third of it, and a twelfth of all.
    let strict = try await withRankContexts(2) { context in
      var input = input
      input.maxBad = Fraction(value: 0.01)
      let set = try EvaluationData(data, split: .train, input: input)
      do {
        _ = try set.shared(over: context) { try $0.pixels(on: .cpu) }
        return ""
      } catch { return "\(error)" }
    }
    #expect(
      strict.allSatisfy { $0.hasPrefix("1 of 12 images cannot be read, more than 1%: green/002.png: ") })
  }

  /// The first half of the images, which is one rank's share, cannot be read; then none can.
  @Test func aRankWithoutAnyReadableImageHasNoFeaturesToShare() async throws {
    let data = try makeColourFolder(imagesPerClass: 2)
    let files = try FileManager.default.subpathsOfDirectory(atPath: data).filter { $0.hasSuffix(".png") }
      .sorted()
    #expect(files.count == 6)
    let input = input(maxBad: 1)
    func shared() async throws -> [Shared] {
      try await withRankContexts(2) { context in
        Shared(
          try EvaluationData(data, split: .train, input: input).shared(over: context) {
            try $0.pixels(on: .cpu)
          })
      }
    }
    for file in files[..<3] { try Data("no image".utf8).write(to: URL(fileURLWithPath: data + "/" + file)) }
    let alone = try EvaluationData(data, split: .train, input: input).pixels(on: .cpu)
    #expect(alone.samples == [3, 4, 5])
    #expect(try await shared() == [Shared(alone), Shared(alone)])

    for file in files { try Data("no image".utf8).write(to: URL(fileURLWithPath: data + "/" + file)) }
    let error = await #expect(throws: RankFailure.self) { try await shared() }
    #expect("\(try #require(error))".hasSuffix("none of the images can be read."))
  }

  /// One rank is asked to stop; none waits for it.
  @Test func anEvaluationThatOneRankBreaksOffEndsInAll() async throws {
    let data = try makeColourFolder(imagesPerClass: 2)
    let input = input(maxBad: 1)
    let stopped = try await withRankContexts(3) { context in
      let set = try EvaluationData(data, split: .train, input: input)
      do {
        _ = try set.shared(over: context) { share in
          if context.rank.number == 1 { throw EvaluationStopped() }
          return try share.pixels(on: .cpu)
        }
        return false
      } catch is EvaluationStopped { return true }
    }
    #expect(stopped == [true, true, true])
  }

  private struct Shared: Equatable, Sendable {
    let values: [Float]
    let samples: [Int]
    let labels: [Int]
    let unreadable: [BadFile]

    init(_ set: ImageFeatures) {
      (values, samples, labels) = (set.features.array(), set.samples, set.labels)
      unreadable = set.unreadable
    }
  }
}
