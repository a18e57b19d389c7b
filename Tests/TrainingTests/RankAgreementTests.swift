import Data
import Distributed
import Evaluation
import Foundation
import Methods
import TestSupport
import Testing
import Torch
@testable import Training

/// What ranks tell one another, and whether they are found out of step.
@Suite(.serialized) struct RankAgreement {
  /// Runs `body` in every rank of a context, on threads.
  private func withTeams<Result: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (RankContext) throws -> Result
  ) async throws -> [Result] {
    try await withRankThreads(count) { rank, port in
      let environment = RankEnvironment(
        rank: rank, localNumber: rank.number, host: "127.0.0.1", port: port, isServedByRank0: false)
      let context = try RankContext.meet(environment, timeout: .seconds(60))
      defer { context.leave() }
      return try context.run { try body(context) }
    }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let method: MethodChoice
    var mechanism = Mechanism.queue
    /// What must be equal beside the weights.
    let followers: [String]
    var testDescription: String { "\(method.rawValue) \(mechanism.rawValue)" }
  }

  static let cases = [
    Case(method: .moco, followers: ["key encoder", "queue"]),
    Case(method: .moco, mechanism: .memoryBank, followers: ["bank"]),
    Case(method: .instDisc, followers: ["bank"]),
    Case(method: .byol, followers: ["key encoder"]),
    Case(method: .mocoV3, followers: ["key encoder"]),
  ]

  /// One number of the last follower, and then one of the weights, changes in rank 1.
  @Test(arguments: cases)
  func aRankWithAnotherNumberAnywhereIsFound(which: Case) async throws {
    let found = try await withTeams(2) { context in
      var config = RunConfig()
      (config.method, config.mechanism, config.arch) = (which.method, which.mechanism, .resnet8)
      (config.imageSize, config.batchSize, config.mocoK, config.mocoDim) = (16, 8, 12, 8)
      config.mocoMlpDim = 8
      let learner = try Learner(config, images: 20, device: .cpu, context: context)
      try learner.share()
      let weights = learner.method.query.parameters.count
      let others = learner.method.replicated.count - (which.replicated.contains("key encoder") ? weights : 0)
      var found = [others, try learner.rankOutOfStep() ?? -1]
      for tensor in [learner.method.replicated.last, learner.method.trainable.first?.tensor] {
        let kept = try #require(tensor)
        let before = kept.detached() * 1
        if context.rank.number == 1 { withNoGrad { kept.copy(from: before + 1e-3) } }
        found.append(try learner.rankOutOfStep() ?? -1)
        withNoGrad { kept.copy(from: before) }
        found.append(try learner.rankOutOfStep() ?? -1)
      }
      return found
    }
    let others = which.replicated.filter { $0 != "key encoder" }.count
    #expect(found == [[others, -1, 1, -1, 1, -1], [others, -1, 1, -1, 1, -1]])
  }

  @Test func valuesOfAnySizeComeInTheOrderOfTheRanks() async throws {
    let lists = try await withTeams(3) { context in
      let number = context.rank.number
      let own = (0..<number * 2).map { BadFile(sample: $0, name: "ä/\(number)\n", reason: "\"\(number)\"") }
      return try context.allGather(own)
    }
    #expect(lists.count == 3 && lists[0] == lists[1] && lists[1] == lists[2])
    #expect(lists[0].map(\.count) == [0, 2, 4])
    #expect(lists[0][2][3] == BadFile(sample: 3, name: "ä/2\n", reason: "\"2\""))
  }

  /// 7 and 5 images, of which each rank encodes its own; one cannot be read.
  @Test func sharedFeaturesStandInTheDataSetsOrderAndNameWhatIsUnreadable() async throws {
    let data = try makeColourFolder(imagesPerClass: 4)
    let broken = data + "/green/002.png"
    try Data("no image".utf8).write(to: URL(fileURLWithPath: broken))
    var config = RunConfig()
    (config.imageSize, config.workers, config.maxBad) = (16, 1, Fraction(value: 0.1))
    let made = config
    let alone = try EvaluationData(data, split: .train, config: made).pixels(on: .cpu)
    for count in [2, 3, 5] {
      let sets = try await withTeams(count) { context in
        let all = try EvaluationData(data, split: .train, config: made).shared(over: context) {
          try $0.pixels(on: .cpu)
        }
        return Shared(all)
      }
      #expect(sets.count == count && sets.allSatisfy { $0 == Shared(alone) }, "\(count) ranks")
    }
    #expect(alone.samples == Array(0..<12).filter { $0 != 6 } && alone.unreadable.map(\.sample) == [6])

    // A share of 3 with one bad image is a third of it, and a twelfth of all.
    let strict = try await withTeams(2) { context in
      var config = made
      config.maxBad = Fraction(value: 0.01)
      let set = try EvaluationData(data, split: .train, config: config)
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
    var config = RunConfig()
    (config.imageSize, config.workers, config.maxBad) = (16, 1, Fraction(value: 1))
    let made = config
    func shared() async throws -> [Shared] {
      try await withTeams(2) { context in
        Shared(
          try EvaluationData(data, split: .train, config: made).shared(over: context) { try $0.pixels(on: .cpu) })
      }
    }
    for file in files[..<3] { try Data("no image".utf8).write(to: URL(fileURLWithPath: data + "/" + file)) }
    let alone = try EvaluationData(data, split: .train, config: made).pixels(on: .cpu)
    #expect(alone.samples == [3, 4, 5])
    #expect(try await shared() == [Shared(alone), Shared(alone)])

    for file in files { try Data("no image".utf8).write(to: URL(fileURLWithPath: data + "/" + file)) }
    let error = await #expect(throws: RankFailure.self) { try await shared() }
    #expect("\(try #require(error))".hasSuffix("none of the images can be read."))
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
