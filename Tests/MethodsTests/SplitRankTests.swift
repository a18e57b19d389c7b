import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// Eight groups of batch normalisation over the whole batch: one device, and 2, 4 or 8 ranks that share them.
@Suite(.serialized) struct SplitRanks {
  static let groups = 8

  struct Trajectory: Sendable {
    var losses: [Double] = []
    var weights: [[Double]] = []
    var queues: [Double] = []
  }

  enum Kind: Sendable { case moco, symmetricMoCo, denseCL }

  /// Networks in float64 with queues of 50 keys, no multiple of the batch.
  private static func method(_ kind: Kind, _ ranks: ProcessGroup, bnGroups: Int) -> any Method {
    let generator = Generator(seed: 3)
    func queue() -> KeyQueue {
      KeyQueue(capacity: 50, dimension: 16, dtype: .float64, using: generator)
    }
    func encoder() -> ImageEncoder {
      let network = EncoderSpec(arch: .resnet8, head: .mlp(outputs: 16))
        .makeEncoder(bnGroups: bnGroups, using: generator)
      network.convert(to: .float64)
      return network
    }
    func denseHead() -> Module {
      let head = DenseCL.denseHead(inputs: 64, hidden: 64, outputs: 16, using: generator)
      head.convert(to: .float64)
      return head
    }
    guard kind == .denseCL else {
      return MoCo(
        .init(temperature: 0.2, bnGroups: groups, symmetric: kind == .symmetricMoCo), queue: queue(), seed: 1,
        ranks: ranks, encoder: encoder)
    }
    return DenseCL(
      .init(temperature: 0.2, bnGroups: groups), queue: queue(), denseQueue: queue(), seed: 1, ranks: ranks,
      denseHead: denseHead, encoder: encoder)
  }

  /// A ResNet-8, trained for four steps of `parts` parts of 16 images. Nothing but the ranks' number differs from one
  /// device.
  private static func train(_ ranks: ProcessGroup, _ kind: Kind, parts: Int) throws -> Trajectory {
    var config = RunConfig()
    config.bnSplits = groups
    let method = method(kind, ranks, bnGroups: config.bnGroups(ranks: ranks.rank.count))
    let parameters = method.trainable.map(\.tensor)
    let (optimizer, reducer) = (SGD(parameters, weightDecay: 5e-4), try ranks.reducer(of: parameters))
    let size = 16 * parts
    let rows = Tensor(Array(ranks.rank.rows(of: size, dealt: config.dealing)))
    var found = Trajectory()
    for step in 0..<4 {
      let views = [50, 60].map { salt in
        formula(salt: salt + step, shape: [size, 3, 8, 8]).indexSelected(rows).contiguous(.channelsLast)
      }
      let share = views[0].shape[0] / parts
      method.beforeForward(momentum: 0.9)
      let outputs = (0..<parts).map { part in
        let own = views.map { $0.narrowed(part * share..<(part + 1) * share) }
        let output = method.forward(ViewBatch(own, step: step, part: part, dealt: config.dealing), nil)
        if part == parts - 1 { reducer?.prepare() }
        (output.loss / Double(parts)).backward()
        return output
      }
      optimizer.step(learningRate: 0.06)
      method.afterStep(outputs)
      let loss = Tensor.stacked(outputs.map { $0.loss.detached() }).mean() / Double(ranks.rank.count)
      ranks.allReduce(loss)
      found.losses.append(loss.item())
    }
    found.weights = parameters.map { $0.array(of: Double.self) }
    found.queues = method.queues.flatMap { $0.keys.array(of: Double.self) }
    return found
  }

  /// Two correct programs agree in float64 to about 1e-12 in a step. Only the order of sums over groups and ranks
  /// differs; four steps, and groups of two images whose statistics divide by small variances, raise that.
  private static let tolerance = 1e-9

  private static func distance(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).reduce(0) { worst, pair in
      let difference = abs(pair.0 - pair.1) / max(1, abs(pair.1))
      return difference.isNaN ? .infinity : max(worst, difference)
    }
  }

  @Test(arguments: [(Kind.moco, 1), (.moco, 2), (.symmetricMoCo, 1), (.denseCL, 1), (.denseCL, 2)])
  func ranksNormaliseTheImagesThatOneDeviceDoes(kind: Kind, parts: Int) async throws {
    let alone = try Self.train(.alone, kind, parts: parts)
    for count in [2, 4, 8] {
      let ranks = try await withRanks(count) { try Self.train($0, kind, parts: parts) }
      #expect(ranks.count == count)
      for rank in ranks {
        #expect(Self.distance(rank.losses, alone.losses) < Self.tolerance, "\(rank.losses) \(alone.losses)")
        #expect(Self.distance(rank.queues, alone.queues) < Self.tolerance)
        let weights = zip(rank.weights, alone.weights).map(Self.distance).max() ?? .infinity
        #expect(weights < Self.tolerance, "\(weights)")
      }
    }
  }

  /// What the test above would miss if groups did not matter: with consecutive rows the groups are others.
  @Test func rowsDealtInAnotherWayAreOtherGroups() {
    let rank = Rank(1, of: 4)
    #expect(Array(rank.rows(of: 16, dealt: .inTurns)) == [1, 5, 9, 13])
    #expect(Array(rank.rows(of: 16, dealt: .consecutive)) == [4, 5, 6, 7])
    for dealt in [Dealing.inTurns, .consecutive] {
      let own = (0..<16).filter { rank.owns($0, of: 16, dealt: dealt) }
      #expect(own == Array(rank.rows(of: 16, dealt: dealt)))
      // Gathered, one rank's rows after the other's, and brought back.
      let gathered = (0..<4).flatMap { Array(Rank($0, of: 4).rows(of: 16, dealt: dealt)) }
      #expect(dealt.places(of: 16, ranks: 4).map { gathered[$0] } == Array(0..<16))
    }
  }

  /// With more ranks than groups each rank is a group; a run of an older version has its groups on each rank.
  @Test func theGroupsOfARankFollowFromThoseOfTheBatch() {
    var config = RunConfig()
    config.bnSplits = 8
    #expect([1, 2, 4, 8, 16, 64].map { config.bnGroups(ranks: $0) } == [8, 4, 2, 1, 1, 1])
    #expect(config.dealing == .inTurns)
    config.bnSplitsPer = .rank
    #expect([1, 2, 4, 8, 16, 64].map { config.bnGroups(ranks: $0) } == [8, 8, 8, 8, 8, 8])
    #expect(config.dealing == .consecutive)
    config.bnSplits = 1
    config.bnSplitsPer = .batch
    #expect(config.dealing == .consecutive)
  }
}
