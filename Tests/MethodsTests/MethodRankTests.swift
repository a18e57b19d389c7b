import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// Several ranks learn what one does.
@Suite(.serialized) struct MethodRanks {
  enum Case: String, CaseIterable {
    case endToEnd, memoryBank, simclr, instDisc, localAggregation, denseCL, mae, moCoMAE, colorization
    case exemplar, multiTask

    /// The methods that compare the images of a rank's batch with one another, or draw for each batch: there a rank is
    /// a part of one rank's batch, normalised by itself.
    static let ofParts: [Case] = [.exemplar, .multiTask]
    static let ofWholeBatches = allCases.filter { !ofParts.contains($0) }
  }

  /// Two ranks of four images, normalised together, are one of eight.
  @Test(arguments: Case.ofWholeBatches)
  func twoRanksLearnWhatOneDoes(which: Case) async throws {
    let alone = try await withRanks(1) { try train(which, $0) }
    expectSame(try await withRanks(2) { try train(which, $0) }, alone)
  }

  /// Two ranks of four images are a batch of eight in two parts.
  @Test(arguments: Case.ofParts)
  func twoRanksLearnWhatTwoPartsDo(which: Case) async throws {
    let alone = try await withRanks(1) { try train(which, $0, parts: 2) }
    expectSame(try await withRanks(2) { try train(which, $0) }, alone)
  }

  private func expectSame(_ both: [[Double]], _ alone: [[Double]]) {
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

private func network(_ generator: Generator, _ head: Head?) -> ImageEncoder {
  inFloat64(EncoderSpec(arch: .resnet8, head: head).makeEncoder(using: generator))
}

private func inFloat64<Layers: Module>(_ module: Layers) -> Layers {
  module.convert(to: .float64)
  return module
}

/// The methods with small networks and dictionaries in float64, the same in every rank.
private struct Maker {
  let ranks: ProcessGroup
  let generator = Generator(seed: 3)

  func method(_ which: MethodRanks.Case) -> any Method {
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
          inFloat64(DenseCL.denseHead(inputs: 64, hidden: 24, outputs: 6, using: generator))
        }, encoder: encoder)
    case .localAggregation:
      LocalAggregation(
        .init(
          background: 9, clusters: 4, clusterings: 3, warmupEpochs: 1, temperature: 0.5, partition: .step),
        bank: bank(), seed: 1, ranks: ranks, encoder: encoder())
    case .mae: mae()
    case .moCoMAE: moCoMAE()
    case .colorization: colorization(network(generator, nil), over: ranks)
    case .exemplar: Exemplar(loss: TripletLoss(margin: 0.5), encoder: network(generator, .linear(outputs: 6)))
    case .multiTask: multiTask()
    }
  }

  private func encoder() -> ImageEncoder {
    let made = network(generator, .linear(outputs: 6))
    made.synchronizeBatchNorm(over: ranks)
    return made
  }

  private func bank() -> MemoryBank {
    MemoryBank(images: 20, dimension: 6, dtype: .float64, using: Generator(seed: 4))
  }

  private func queue() -> KeyQueue {
    KeyQueue(capacity: 20, dimension: 6, dtype: .float64, using: generator)
  }

  private func transformer(_ head: Head? = nil) -> ImageEncoder {
    let spec = EncoderSpec(arch: .vitMini, heads: 3, pooling: .average, imageSize: 16, head: head)
    let made = inFloat64(spec.makeEncoder(freezesProjection: false, start: .mae, using: generator))
    made.synchronizeBatchNorm(over: ranks)
    return made
  }

  private func decoder(behind encoder: ImageEncoder) -> MAEDecoder {
    inFloat64(
      MAEDecoder(.init(width: 24, depth: 1, heads: 3), behind: encoder.transformer, using: generator))
  }

  private func mae() -> MAE {
    let encoder = transformer()
    return MAE(MaskedReconstruction(seed: 3), encoder: encoder, decoder: decoder(behind: encoder))
  }

  private func moCoMAE() -> MoCoMAE {
    let head = Head.biasedMLP(hidden: 12, outputs: 6)
    let encoders = (query: transformer(head), key: transformer(head))
    let predictor = inFloat64(head.makeLayers(inputs: 6, using: generator))
    predictor.synchronizeBatchNorm(over: ranks)
    return MoCoMAE(
      .init(temperature: 0.2), MaskedReconstruction(seed: 3), queue: queue(), predictor: predictor,
      decoder: decoder(behind: encoders.query), ranks: ranks, encoders: encoders)
  }

  private func colorization(_ encoder: ImageEncoder, over ranks: ProcessGroup) -> Colorization {
    encoder.synchronizeBatchNorm(over: ranks)
    return Colorization(
      predictor: inFloat64(Colorization.classifier.makeLayers(inputs: 64, using: generator)),
      normalization: .cifar, encoder: encoder)
  }

  private func multiTask() -> MultiTask {
    let trunk = network(generator, nil)
    func withHead() -> ImageEncoder {
      let head = Head.linear(outputs: 6).makeLayers(inputs: 64, using: generator)
      return ImageEncoder(trunk.backbone, head: inFloat64(head))
    }
    return MultiTask(
      .init(), trunk: trunk,
      relativePosition: RelativePosition(
        predictor: inFloat64(RelativePosition.classifier.makeLayers(inputs: 12, using: generator)), seed: 7,
        encoder: withHead()),
      colorization: colorization(trunk, over: .alone),
      exemplar: Exemplar(loss: TripletLoss(margin: 0.5), encoder: withHead()))
  }
}

/// The mean losses of three steps, the norms of all parameters and the rows of a bank or of queues after them.
/// - Parameter parts: The parts of a rank's batch.
private func train(_ which: MethodRanks.Case, _ ranks: ProcessGroup, parts: Int = 1) throws -> [Double] {
  let method = Maker(ranks: ranks).method(which)
  let parameters = method.trainable.map(\.tensor)
  let (optimizer, reducer) = (SGD(parameters), try ranks.reducer(of: parameters))
  // A rank that stands for a part has its draws.
  let first = MethodRanks.Case.ofParts.contains(which) ? ranks.rank.number : 0
  var found: [Double] = []
  for step in 0..<3 {
    #expect(method.epochBegins(step) { false })
    let shape = [8, 3, 16, 16]
    let views = [20, 30].map { ranks.localShard(formula(salt: $0 + step, shape: shape)) }
    let samples = ranks.localRows(of: 8).map { (5 * step + $0) % 20 }
    let share = samples.count / parts
    method.beforeForward(momentum: 0.9)
    let outputs = (0..<parts).map { part in
      let rows = part * share..<(part + 1) * share
      let batch = ViewBatch(
        views.map { $0.narrowed(rows) }, samples: Array(samples[rows]), step: step, part: first + part)
      let output = method.forward(batch)
      if part == parts - 1 { reducer?.prepare() }
      (output.loss / Double(parts)).backward()
      return output
    }
    optimizer.step(learningRate: 0.05)
    method.afterStep(outputs)
    let loss = Tensor.stacked(outputs.map { $0.loss.detached() }).mean() / Double(ranks.rank.count)
    ranks.allReduce(loss)
    found.append(loss.item())
  }
  found += parameters.map { $0.detached().norm().item() }
  for entry in method.state where entry.name.hasPrefix("bank") || entry.name.hasSuffix("queue") {
    found += entry.tensor.array(of: Double.self)
  }
  return found
}
