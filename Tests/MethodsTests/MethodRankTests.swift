import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// Methods whose ranks look at one another's images: two ranks of four images, normalised together, are one of eight.
@Suite(.serialized) struct MethodRanks {
  enum Case: String, CaseIterable { case endToEnd, memoryBank, simclr, instDisc, localAggregation, denseCL }

  @Test(arguments: Case.allCases)
  func twoRanksLearnWhatOneDoes(which: Case) async throws {
    let alone = try await withRanks(1) { try train(which, $0) }
    let both = try await withRanks(2) { try train(which, $0) }
    #expect(alone.count == 1 && both.count == 2 && alone[0].count > 25)
    for rank in both {
      #expect(rank.count == alone[0].count)
      // Two correct programs in float64 agree to about 1e-12; sums over ranks have another order.
      for (i, (ours, one)) in zip(rank, alone[0]).enumerated() {
        #expect(abs(ours - one) <= 1e-9 * max(abs(one), 1e-3), "number \(i): \(ours), of one rank \(one)")
      }
    }
  }

  /// −log of the share of exp(q·k₊/τ), over the N keys of the batch: K = N − 1 negatives.
  @Test func endToEndIsTheClosedFormWithAllOtherKeysOfTheBatch() throws {
    let method = EndToEnd(.init(temperature: 0.3), seed: 1) {
      network(Generator(seed: 3), .linear(outputs: 5))
    }
    let output = method.forward(
      ViewBatch([formula(salt: 1, shape: [6, 3, 8, 8]), formula(salt: 2, shape: [6, 3, 8, 8])], step: 0))
    let features = try #require(output.features)
    let q = features.queries.array(of: Double.self), k = features.keys.array(of: Double.self)
    var expected = 0.0
    for i in 0..<6 {
      let scores = (0..<6).map { j in
        exp((0..<5).reduce(0.0) { $0 + q[i * 5 + $1] * k[j * 5 + $1] } / 0.3)
      }
      expected -= log(scores[i] / scores.reduce(0, +)) / 6
    }
    #expect(output.logits?.shape == [6, 6])
    #expect(abs(output.loss.item() - expected) < 1e-13)
    output.loss.backward()
    #expect(method.encoderK.parameters.allSatisfy { $0.gradient?.norm().item() ?? 0 > 0 })
    #expect(method.encoderQ.parameters.allSatisfy { $0.gradient != nil })
  }
}

private func network(_ generator: Generator, _ head: Head) -> ImageEncoder {
  let network = EncoderSpec(arch: .resnet8, head: head).makeEncoder(using: generator)
  network.convert(to: .float64)
  return network
}

/// The mean losses of three steps, the norms of all parameters and the rows of a bank or of queues after them.
private func train(_ which: MethodRanks.Case, _ ranks: ProcessGroup) throws -> [Double] {
  let generator = Generator(seed: 3)
  func encoder() -> ImageEncoder {
    let made = network(generator, .linear(outputs: 6))
    made.synchronizeBatchNorm(over: ranks)
    return made
  }
  func bank() -> MemoryBank {
    MemoryBank(images: 20, dimension: 6, dtype: .float64, using: Generator(seed: 4))
  }
  func queue() -> KeyQueue { KeyQueue(capacity: 20, dimension: 6, dtype: .float64, using: generator) }
  let method: any Method =
    switch which {
    case .endToEnd:
      EndToEnd(.init(temperature: 0.2, shuffles: false), seed: 1, ranks: ranks, encoder: encoder)
    case .memoryBank:
      MemoryBankMoCo(
        .init(negatives: 7, temperature: 0.2), bank: bank(), seed: 1, ranks: ranks, encoder: encoder())
    case .simclr: SimCLR(temperature: 0.5, ranks: ranks, encoder: encoder())
    case .instDisc:
      InstDisc(
        .init(estimate: .noiseContrastive(m: 7), temperature: 0.5), bank: bank(), seed: 1, ranks: ranks,
        encoder: encoder())
    case .denseCL:
      DenseCL(
        .init(temperature: 0.2, shuffles: false), queue: queue(), denseQueue: queue(), seed: 1, ranks: ranks,
        denseHead: {
          let head = DenseCL.denseHead(inputs: 64, hidden: 24, outputs: 6, using: generator)
          head.convert(to: .float64)
          return head
        }, encoder: encoder)
    case .localAggregation:
      LocalAggregation(
        .init(
          background: 9, clusters: 4, clusterings: 3, warmupEpochs: 1, temperature: 0.5, partition: .step),
        bank: bank(), seed: 1, ranks: ranks, encoder: encoder())
    }
  let parameters = method.trainable.map(\.tensor)
  let (optimizer, reducer) = (SGD(parameters), try ranks.reducer(of: parameters))
  var found: [Double] = []
  for step in 0..<3 {
    let shape = [8, 3, 8, 8]
    let (x1, x2) = (formula(salt: 20 + step, shape: shape), formula(salt: 30 + step, shape: shape))
    let samples = (0..<8).map { (5 * step + $0) % 20 }
    let rows = ranks.localRows(of: 8)
    method.beforeForward(momentum: 0.9)
    let output = method.forward(
      ViewBatch([ranks.localShard(x1), ranks.localShard(x2)], samples: Array(samples[rows]), step: step))
    reducer?.prepare()
    output.loss.backward()
    optimizer.step(learningRate: 0.05)
    method.afterStep([output])
    method.epochEnded(step)
    let loss = output.loss.detached() / Double(ranks.rank.count)
    ranks.allReduce(loss)
    found.append(loss.item())
  }
  found += parameters.map { $0.detached().norm().item() }
  for entry in method.state where entry.name.hasPrefix("bank") || entry.name.hasSuffix("queue") {
    found += entry.tensor.array(of: Double.self)
  }
  return found
}
