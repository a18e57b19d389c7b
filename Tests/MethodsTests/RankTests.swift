import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

@Suite struct MoCoOverRanks {
  private struct Trajectory: Sendable {
    var losses: [Double]
    var state: [[Double]]
    /// What the ranks have in common: all but batch statistics.
    var shared: [[Double]]
  }

  /// A ResNet-8 in float64 with keys of 16 numbers, trained for three steps on the rank's rows of fixed batches of 8.
  private static func train(
    _ group: ProcessGroup, symmetric: Bool = false, syncBN: Bool, parts: Int = 1, isShuffled: Bool = true
  ) throws -> Trajectory {
    let generator = Generator(seed: 3)
    let settings = MoCo.Settings(temperature: 0.2, shuffles: isShuffled && !syncBN, symmetric: symmetric)
    let queue = KeyQueue(capacity: 20, dimension: 16, dtype: .float64, using: generator)
    let method = MoCo(settings, queue: queue, seed: 1, ranks: group) {
      let network = EncoderSpec(arch: .resnet8, head: .mlp(outputs: 16)).makeEncoder(using: generator)
      network.convert(to: .float64)
      network.move(to: .cpu)
      if syncBN { network.synchronizeBatchNorm(over: group) }
      return network
    }
    let optimizer = SGD(method.encoderQ.parameters, weightDecay: 5e-4)
    let reducer = try group.reducer(of: method.encoderQ.parameters)
    var losses: [Double] = []
    for step in 0..<3 {
      let x1 = group.localShard(formula(salt: 50 + step, shape: [8, 3, 8, 8])).contiguous(.channelsLast)
      let x2 = group.localShard(formula(salt: 60 + step, shape: [8, 3, 8, 8])).contiguous(.channelsLast)
      let share = x1.shape[0] / parts
      method.beforeForward(momentum: 0.9)
      let outputs = (0..<parts).map { part in
        let rows = part * share..<(part + 1) * share
        let batch = ViewBatch([x1.narrowed(rows), x2.narrowed(rows)], step: step, part: part)
        let output = method.forward(batch, nil)
        if part == parts - 1 { reducer?.prepare() }
        (output.loss / Double(parts)).backward()
        return output
      }
      optimizer.step(learningRate: 0.06)
      method.afterStep(outputs)
      let loss = Tensor.stacked(outputs.map { $0.loss.detached() }).mean() / Double(group.rank.count)
      group.allReduce(loss)
      losses.append(loss.item())
    }
    let isStatistic = { (name: String) in name.contains(".running_") || name.contains(".num_batches") }
    return Trajectory(
      losses: losses, state: method.state.map { $0.tensor.array(of: Double.self) },
      shared: method.state.filter { !isStatistic($0.name) }.map { $0.tensor.array(of: Double.self) })
  }

  private func distance(
    _ a: Trajectory, _ b: Trajectory, _ state: KeyPath<Trajectory, [[Double]]> = \.state
  ) -> Double {
    let (ours, theirs) = (a[keyPath: state], b[keyPath: state])
    guard a.losses.count == b.losses.count, ours.map(\.count) == theirs.map(\.count) else {
      return .infinity
    }
    let pairs = zip(a.losses + ours.joined(), b.losses + theirs.joined())
    return pairs.reduce(0) { worst, pair in
      let difference = abs(pair.0 - pair.1) / max(1, abs(pair.1))
      return difference.isNaN ? .infinity : max(worst, difference)
    }
  }

  /// With the statistics of the whole batch it does not matter who has which half. In float64 only the order of
  /// summation differs, which three steps amplify to about 1e-13; 1e-8 leaves no room for a mistake.
  @Test(arguments: [false, true])
  func twoRanksWithSyncBNAreOneRankWithTheWholeBatch(symmetric: Bool) async throws {
    let alone = try Self.train(.alone, symmetric: symmetric, syncBN: false)
    let ranks = try await withRanks(2) { try Self.train($0, symmetric: symmetric, syncBN: true) }
    #expect(ranks.count == 2)
    for rank in ranks { #expect(distance(rank, alone) < 1e-8) }
  }

  /// Only batch statistics are a rank's own.
  @Test func ranksStayOneInAllButBatchStatistics() async throws {
    let ranks = try await withRanks(2) { try Self.train($0, syncBN: false) }
    #expect(ranks.count == 2)
    #expect(ranks[0].losses == ranks[1].losses)
    #expect(ranks[0].state.last == ranks[1].state.last)  // the queue
    #expect(ranks[0].state[0] == ranks[1].state[0])  // the first convolution
    #expect(ranks[0].state != ranks[1].state)
  }

  /// A batch in two parts is what two ranks make of it that do not shuffle: each half is normalised by itself, the
  /// gradient is their mean, and the queue takes the halves in in order. The tolerance is that above.
  @Test func aBatchInPartsIsTheStepOfAsManyRanks() async throws {
    let parts = try Self.train(.alone, syncBN: false, parts: 2)
    let ranks = try await withRanks(2) { try Self.train($0, syncBN: false, isShuffled: false) }
    #expect(ranks.count == 2)
    for rank in ranks { #expect(distance(rank, parts, \.shared) < 1e-8) }
  }
}
