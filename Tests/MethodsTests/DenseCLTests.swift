import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// Cells of 4×4 pixels, each seen by itself: N×3×H×W → N×64×H/4×W/4.
private final class CellBackbone: Module, Backbone {
  let conv: Conv2d
  let architecture = Architecture.resnet8
  let stageCount = 1

  init(using generator: Generator) { conv = Conv2d(3, 64, kernel: 4, stride: 4, using: generator) }

  func featureMaps(_ x: Tensor) -> [Tensor] { [relu(conv(x))] }
  func features(_ x: Tensor, stage: Int?) -> Tensor { globalAveragePool2d(featureMaps(x)[0]) }
}

@Suite struct DenseCLSteps {
  private static let size = 16

  /// Keys of 16 numbers, queues of 20, in float64.
  private func method(
    _ settings: DenseCL.Settings = .init(temperature: 0.2), network: (Generator) -> any Backbone
  ) -> DenseCL {
    let generator = Generator(seed: 3)
    func queue() -> KeyQueue {
      KeyQueue(capacity: 20, dimension: Self.size, dtype: .float64, using: generator)
    }
    return DenseCL(
      settings, queue: queue(), denseQueue: queue(), seed: 1,
      denseHead: {
        let head = DenseCL.denseHead(inputs: 64, hidden: 64, outputs: Self.size, using: generator)
        head.convert(to: .float64)
        return head
      },
      encoder: {
        let head = Head.mlp(outputs: Self.size).makeLayers(inputs: 64, using: generator)
        let encoder = ImageEncoder(network(generator), head: head)
        encoder.convert(to: .float64)
        return encoder
      })
  }

  private func ofCells(_ settings: DenseCL.Settings = .init(temperature: 0.2)) -> DenseCL {
    method(settings) { CellBackbone(using: $0) }
  }

  private func ofResNet(_ settings: DenseCL.Settings = .init(temperature: 0.2)) -> DenseCL {
    method(settings) {
      EncoderSpec(arch: .resnet8).makeEncoder(bnGroups: settings.bnGroups, using: $0).backbone
    }
  }

  private func images(_ salt: Int, count: Int = 4, side: Int = 16) -> Tensor {
    formula(salt: salt, shape: [count, 3, side, side])
  }

  private func batch(_ x1: Tensor, _ x2: Tensor, step: Int = 0, _ shuffles: [KeyShuffle] = []) -> ViewBatch {
    var batch = ViewBatch([x1, x2], step: step)
    batch.shuffles = shuffles
    return batch
  }

  private func values(_ tensor: Tensor) -> [Double] { tensor.detached().contiguous().array() }

  // MARK: - Matching

  /// By plain Swift. Numbers are whole, so that products are exact and several key cells may be equally near.
  @Test func aQueryCellMatchesTheFirstKeyCellOfTheLargestProduct() {
    let (count, cells, size) = (5, 7, 3)
    let query = (formula(salt: 1, shape: [count, cells, size]) * 3).rounded()
    let key = (formula(salt: 2, shape: [count, cells, size]) * 3).rounded()
    let (q, k) = (values(query), values(key))
    var (expected, ties): ([Int], Int) = ([], 0)
    for row in 0..<count * cells {
      let image = row / cells
      let products = (0..<cells).map { cell in
        (0..<size).reduce(0.0) { $0 + q[row * size + $1] * k[(image * cells + cell) * size + $1] }
      }
      let largest = products.max() ?? 0
      expected.append(products.firstIndex(of: largest) ?? -1)
      ties += products.count { $0 == largest } > 1 ? 1 : 0
    }
    let found = DenseCL.matches(query, key)
    #expect(found.shape == [count, cells] && ties > 0)
    #expect(found.array(of: Int.self) == expected)
  }

  /// The key shows the query's image, moved by a cell to the right around the edge: a cell's match is its neighbour.
  /// Both networks are equal, so that the positive is the query itself and the loss has a closed form.
  @Test func theMatchOfAMovedImageMovesWithIt() {
    let method = ofCells()
    let x = images(11)
    let moved = Tensor.concatenated([x.narrowed(12..<16, dim: 3), x.narrowed(0..<12, dim: 3)], dim: 3)
    let found = method.contrast(batch(x, moved))
    let neighbours = (0..<16).map { $0 / 4 * 4 + ($0 + 1) % 4 }  // 4×4 cells, row by row
    #expect(found.matches.array(of: Int.self) == (0..<4).flatMap { _ in neighbours })

    let rows = values(found.query.cells), queue = values(method.denseQueue.keys)
    var expected = 0.0
    for row in 0..<64 {
      let others = (0..<20).reduce(0.0) { sum, key in
        sum + exp((0..<16).reduce(0.0) { $0 + rows[row * 16 + $1] * queue[key * 16 + $1] } / 0.2)
      }
      expected += log((exp(1 / 0.2) + others) / exp(1 / 0.2)) / 64
    }
    #expect(abs(found.denseLoss.item() - expected) < 1e-12)
    // Matched by place the positives would be other cells.
    let inPlace = (found.query.cells.detached() * found.key.cells).sum(dim: 2)
    #expect(values(inPlace).allSatisfy { $0 < 1 - 1e-6 })
  }

  /// Without batch normalisation the order in which keys are encoded changes nothing.
  @Test func mapCellsAndMeansAreBroughtBackFromTheShuffledOrder() {
    let method = ofCells()
    let (x1, x2) = (images(11), images(12))
    let plain = method.contrast(batch(x1, x2))
    let shuffled = method.contrast(batch(x1, x2, [KeyShuffle([2, 0, 3, 1])]))
    for part in [\DenseCL.Encoding.image, \.cellMean, \.cells, \.map] {
      let (ours, expected) = (values(shuffled.key[keyPath: part]), values(plain.key[keyPath: part]))
      #expect(ours.count == expected.count)
      #expect(zip(ours, expected).allSatisfy { abs($0 - $1) < 1e-14 })
    }
    #expect(shuffled.matches.array(of: Int.self) == plain.matches.array(of: Int.self))
    #expect(abs(shuffled.denseLoss.item() - plain.denseLoss.item()) < 1e-13)
    #expect(values(shuffled.newKeys).count == 4 * 2 * Self.size)
  }

  /// With groups a key depends on the images that it is normalised with.
  @Test func keysAreShuffledWhereNormalisationHasGroups() {
    let method = ofResNet(.init(temperature: 0.2, bnGroups: 2))
    let views = batch(images(11, count: 8), images(12, count: 8), step: 4)
    #expect(method.shuffles(for: views).count == 1)
    #expect(ofResNet().shuffles(for: views).isEmpty)
    #expect(ofResNet(.init(temperature: 0.2, bnGroups: 2, shuffles: false)).shuffles(for: views).isEmpty)
    let orders: [[KeyShuffle]?] = [nil, []]
    let losses = orders.map { method.forward(views, $0).loss.item() }
    #expect(losses[0] != losses[1])
  }

  // MARK: - The mean of the cells

  /// Taken before the cells get length 1, and then of length 1 itself.
  @Test func aDenseKeyIsTheMeanOfTheHeadsOutputs() throws {
    let method = ofCells()
    let x = images(12)
    let found = method.contrast(batch(images(11), x))
    let outputs = withNoGrad {
      method.denseHeadK(method.encoderK.encoder.backbone.featureMaps(x)[0])  // 4×16×4×4
    }
    let mean = values(outputs.mean(dims: [2, 3]))
    for image in 0..<4 {
      let row = mean[image * 16..<(image + 1) * 16]
      let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for (ours, sum) in zip(values(found.key.cellMean.selected(image)), row) {
        #expect(abs(ours - sum / length) < 1e-14)
      }
    }
    let ofUnitCells = values(l2Normalized(found.key.cells.mean(dims: [1])))
    #expect(zip(values(found.key.cellMean), ofUnitCells).contains { abs($0 - $1) > 1e-4 })
  }

  @Test func bothQueuesTakeInTheirKeysOfAStep() throws {
    let method = ofCells()
    let before = [method.queue, method.denseQueue].map { values($0.keys) }
    let found = method.contrast(batch(images(11), images(12)))
    method.afterStep([method.output(of: found, batch(images(11), images(12)))])
    for (number, (queue, keys)) in [(method.queue, found.key.image), (method.denseQueue, found.key.cellMean)]
      .enumerated()
    {
      #expect(queue.pointer == 4)
      #expect(values(queue.keys.narrowed(0..<4)) == values(keys))
      #expect(values(queue.keys.narrowed(4..<20)) == Array(before[number][(4 * 16)...]))
    }
    method.enqueueKeys(of: batch(images(11), images(13)))
    #expect(method.queue.pointer == 8 && method.denseQueue.pointer == 8)
    let filled = method.contrast(batch(images(11), images(13)))
    #expect(values(method.queue.keys.narrowed(4..<8)) == values(filled.key.image))
    #expect(values(method.denseQueue.keys.narrowed(4..<8)) == values(filled.key.cellMean))
  }

  // MARK: - λ

  @Test func theLossIsSharedBetweenImagesAndCells() {
    let method = ofCells(.init(temperature: 0.2, denseShare: 0.3))
    let views = batch(images(11), images(12))
    let found = method.contrast(views)
    let expected = 0.7 * found.globalLoss.item() + 0.3 * found.denseLoss.item()
    #expect(abs(method.output(of: found, views).loss.item() - expected) < 1e-14)
    #expect(abs(found.globalLoss.item() - found.denseLoss.item()) > 1e-3)
  }

  /// The first step with λ is the one after as many as the warm-up has.
  @Test func inTheWarmUpOnlyImagesCount() {
    let method = ofCells(.init(temperature: 0.2, denseShare: 0.5, denseWarmup: 3))
    #expect((0..<5).map { method.settings.share(at: $0) } == [0, 0, 0, 0.5, 0.5])
    #expect(!method.isCapturable && ofCells().isCapturable)
    let views = batch(images(11), images(12), step: 2)
    let found = method.contrast(views)
    let output = method.output(of: found, views)
    #expect(output.loss.item() == found.globalLoss.item())
    output.loss.backward()
    // They still have gradients, which the reducer of several ranks waits for.
    #expect(method.denseHeadQ.parameters.allSatisfy { $0.gradient?.norm().item() == 0 })
  }

  // MARK: - State

  @Test func onlyTheQuerysNetworksGetGradients() {
    let method = ofCells()
    method.forward(batch(images(11), images(12))).loss.backward()
    #expect(method.trainable.count == 9 && method.trainable.allSatisfy { $0.tensor.gradient != nil })
    #expect(method.state.filter { $0.kind == .fixed }.count == 9)
    #expect(method.state.filter { $0.kind == .fixed }.allSatisfy { $0.tensor.gradient == nil })
  }

  @Test func bothHeadsFollowWithTheBackbone() {
    let method = ofCells()
    withNoGrad { for entry in method.trainable { entry.tensor.add(.ones([], dtype: .float64)) } }
    let fixed = method.state.filter { $0.kind == .fixed }.map(\.tensor)
    let (before, targets) = (fixed.map(values), method.trainable.map { values($0.tensor) })
    method.beforeForward(momentum: 0.9)
    for ((old, target), tensor) in zip(zip(before, targets), fixed) {
      for (i, new) in values(tensor).enumerated() {
        #expect(abs(new - (0.9 * old[i] + 0.1 * target[i])) < 1e-14)
      }
    }
  }

  @Test func theStateHasBothNetworksAndBothQueues() {
    let method = ofResNet()
    let encoder = method.encoderQ.state.map(\.name)
    let head = ["0.weight", "0.bias", "2.weight", "2.bias"]
    let expected =
      encoder.map { "encoder_q.\($0)" } + head.map { "dense_head_q.\($0)" }
      + encoder.map { "encoder_k.\($0)" } + head.map { "dense_head_k.\($0)" } + ["queue", "dense_queue"]
    #expect(method.state.map(\.name) == expected)
    #expect(method.dictionary === method.queue && method.queues.count == 2)
    #expect(method.queues.last === method.denseQueue)
  }

  // MARK: - Warnings

  /// A ResNet-18 halves an image five times.
  @Test func aSingleCellIsWarnedOf() {
    var config = RunConfig()
    (config.method, config.arch) = ("densecl", .resnet18)
    func warnings(_ side: Int) -> [String] {
      let facts = RunFacts(images: 100_000, batchSize: 8, passSize: 8, lr: 0.03, ranks: 1, imageSize: side)
      return config.kind.warnings(config, facts)
    }
    let warning =
      "--image-size 32: the last map of resnet18 has one cell then, and none is matched with another. Use larger images."
    #expect(warnings(32).contains(warning))
    #expect(!warnings(33).contains { $0.contains("one cell") })
    config.stem = .cifar
    #expect(
      warnings(8).contains { $0.contains("one cell") } && !warnings(9).contains { $0.contains("one cell") })
  }

  // MARK: - Initial weights

  /// He et al. 2015 by fan-in, and no bias in the MLP; the convolutions of the dense head keep PyTorch's U(±1/√C).
  @Test func networksStartByFanIn() throws {
    var config = RunConfig()
    (config.method, config.arch, config.mocoK, config.mocoDim) = ("densecl", .resnet18, 16, 32)
    let context = MethodContext(
      config, spec: EncoderSpec(arch: .resnet18, head: config.kind.head(config)), images: 10, on: .cpu,
      seed: 5)
    let method = try #require(config.kind.make(config, context) as? DenseCL)
    for entry in method.encoderQ.namedParameters where entry.tensor.count > 100_000 {
      let fanIn = entry.tensor.shape.dropFirst().reduce(1, *)
      // The deviation of 100,000 draws is within 1 % of theirs in all but one of 10⁵ cases.
      let deviation = entry.tensor.detached().norm().item() / Double(entry.tensor.count).squareRoot()
      #expect(abs(deviation / (2 / Double(fanIn)).squareRoot() - 1) < 0.01, "\(entry.name)")
    }
    for entry in method.encoderQ.namedParameters where entry.name.hasSuffix("bias") {
      #expect(entry.tensor.detached().norm().item() == 0, "\(entry.name)")
    }
    for entry in method.denseHeadQ.namedParameters {
      let largest = values(entry.tensor).map(abs).max() ?? 0
      let bound = 1 / 512.0.squareRoot()  // both layers have 512 inputs
      #expect(largest <= bound * (1 + 1e-6) && largest > 0.8 * bound, "\(entry.name)")
    }
    let (q, k) = (method.denseHeadQ.state, method.denseHeadK.state)
    #expect(q.map { values($0.tensor) } == k.map { values($0.tensor) })
  }
}
