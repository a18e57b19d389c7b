import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

@Suite struct LocalAggregations {
  private let images = 24
  private let dimension = 6

  private func method(
    warmupEpochs: Int = 1, background: Int = 7, clusters: Int = 4, clusterings: Int = 3, seed: UInt64 = 5,
    partition: NoiseContrast.Partition = .step, ranks: ProcessGroup = .alone
  ) -> LocalAggregation {
    let encoder = EncoderSpec(arch: .resnet8, head: .linear(outputs: dimension))
      .makeEncoder(using: Generator(seed: 3))
    return LocalAggregation(
      .init(
        background: background, clusters: clusters, clusterings: clusterings, warmupEpochs: warmupEpochs,
        temperature: 0.2, partition: partition),
      bank: MemoryBank(images: images, dimension: dimension, using: Generator(seed: 4)), seed: seed,
      ranks: ranks, encoder: encoder)
  }

  private func labels(_ method: LocalAggregation) -> [Int] { method.clusters.tensor.array() }

  /// Epochs of four steps of six images, and what is saved after each step.
  private func train(_ method: LocalAggregation, _ optimizer: SGD, steps: Range<Int>) -> [Double] {
    steps.map { step in
      if step % 4 == 0 { #expect(method.epochBegins(step / 4) { false }) }
      method.beforeForward(momentum: 0)
      let x = formula(salt: 100 + step, shape: [6, 3, 16, 16]).to(.float32)
      let samples = (0..<6).map { (step * 6 + $0) % images }
      let output = method.forward(ViewBatch([x, x], samples: samples, step: step))
      output.loss.backward()
      optimizer.step(learningRate: 0.05)
      method.afterStep([output])
      return output.loss.item()
    }
  }

  @Test func theClustersAreSavedWithTheBank() {
    let method = method()
    let names = method.state.map(\.name).filter { !$0.hasPrefix("encoder_q.") }
    #expect(names == ["bank", "bank.clusters"])
    #expect(method.otherParts == ["bank"])
    #expect(method.clusters.tensor.shape == [3, images] && method.clusters.tensor.dtype == .int64)
  }

  @Test func theWarmUpEndsWithTheFirstClusters() {
    let method = method(warmupEpochs: 2)
    let optimizer = SGD(method.trainable.map(\.tensor))
    _ = train(method, optimizer, steps: 0..<8)
    #expect(!method.hasClusters)
    _ = train(method, optimizer, steps: 8..<9)
    #expect(method.hasClusters)
    let before = labels(method)
    #expect(before.allSatisfy { (0..<4).contains($0) })
    _ = train(method, optimizer, steps: 9..<12)
    #expect(labels(method) == before)
    _ = train(method, optimizer, steps: 12..<13)
    #expect(labels(method) != before)
  }

  @Test func withoutAWarmUpTheFirstBankIsClustered() {
    let method = method(warmupEpochs: 0)
    #expect(method.epochBegins(0) { false })
    #expect(method.hasClusters)
  }

  /// A run that goes on with other images, in the midst of its epochs, has another bank.
  @Test(arguments: [0, 1])
  func aNewBankHasAnEpochOfInstanceDiscriminationFirst(warmupEpochs: Int) {
    let method = method(warmupEpochs: warmupEpochs)
    #expect(method.epochBegins(5) { false } && !method.hasClusters)
    #expect(method.epochBegins(6) { false } && method.hasClusters)
  }

  // MARK: - Signals

  /// In each of its pieces, and then made again from its beginning.
  @Test func aClusteringThatIsBrokenOffChangesNothing() {
    let (whole, stopped) = (method(), method())
    #expect(whole.epochBegins(0) { false } && stopped.epochBegins(0) { false })
    var pieces = 0
    let count = {
      pieces += 1
      return false
    }
    // Three clusterings of at least two pieces, and the last meeting.
    #expect(whole.epochBegins(1, isStopped: count) && pieces > 6)
    for piece in [1, 2, pieces / 2, pieces] {
      var passed = 0
      let isDone = stopped.epochBegins(1) {
        passed += 1
        return passed == piece
      }
      #expect(!isDone && passed == piece && !stopped.hasClusters)
    }
    #expect(stopped.epochBegins(1) { false })
    #expect(labels(stopped) == labels(whole))
  }

  /// Of three ranks one has no clustering, and waits for pieces of those of the others.
  @Test func ranksBreakOffTogether() async throws {
    let alone = method(clusterings: 2)
    #expect(alone.epochBegins(0) { false } && alone.epochBegins(1) { false })
    let found = try await withRanks(3) { [self] ranks in
      let method = method(clusterings: 2, ranks: ranks)
      _ = method.epochBegins(0) { false }
      var passed = 0
      let isDone = method.epochBegins(1) {
        passed += 1
        return ranks.rank.number == 2 && passed == 3
      }
      let before = method.hasClusters
      return (isDone, before, passed, method.epochBegins(1) { false }, labels(method))
    }
    #expect(found.count == 3)
    for (isDone, hadClusters, passed, isDoneAgain, labels) in found {
      #expect(!isDone && !hadClusters && passed == 3 && isDoneAgain)
      #expect(labels == self.labels(alone))
    }
  }

  /// From the middle of the warm-up, of an epoch with clusters, and at an epoch's end.
  @Test(arguments: [2, 4, 6]) func aSavedStateGoesOnToTheSameBits(saved: Int) {
    let (whole, resumed) = (method(), method())
    let optimizer = SGD(whole.trainable.map(\.tensor)), other = SGD(resumed.trainable.map(\.tensor))
    _ = train(whole, optimizer, steps: 0..<saved)
    resumed.copyState(from: whole)
    withNoGrad {
      for (mine, theirs) in zip(other.velocities, optimizer.velocities) { mine.copy(from: theirs) }
    }
    other.restore(steps: optimizer.steps)
    #expect(train(whole, optimizer, steps: saved..<10) == train(resumed, other, steps: saved..<10))
    for (a, b) in zip(whole.state, resumed.state) {
      #expect(a.tensor.withUnsafeBytes { Array($0) } == b.tensor.withUnsafeBytes { Array($0) }, "\(a.name)")
    }
  }

  /// −log of the share of exp(vⱼ·v/τ) that rows of a common cluster have among the k nearest.
  @Test func theLossIsTheClosedForm() {
    let bank = MemoryBank(images: 9, dimension: 3, dtype: .float64, using: Generator(seed: 1))
    let method = LocalAggregation(
      .init(background: 4, clusters: 3, clusterings: 2, temperature: 0.3), bank: bank, seed: 1,
      encoder: BankCase.encoder())
    let labels = [[0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2, 0, 1, 2]]
    method.clusters.tensor.copy(from: Tensor(labels.flatMap(\.self), shape: [2, 9]))
    let v = l2Normalized(formula(salt: 3, shape: [2, 3]))
    let samples = [2, 7]
    let output = method.forward(ViewBatch([v], samples: samples, step: 0))
    let products = v.matmul(bank.rows.transposed)  // 2×9
    var expected = 0.0
    for (row, own) in samples.enumerated() {
      let scores = products.selected(row).array(of: Double.self)
      let background = (0..<9).sorted { scores[$0] > scores[$1] }.prefix(4)
      let close = background.filter { image in labels.contains { $0[image] == $0[own] } }
      func sum(_ rows: some Sequence<Int>) -> Double { rows.reduce(0) { $0 + exp(scores[$1] / 0.3) } }
      expected -= log(sum(close) / sum(background) + 1e-7) / 2
    }
    #expect(abs(output.loss.item() - expected) < 1e-12)
  }

  /// An image without close neighbours in its background gives −log 10⁻⁷ and teaches nothing.
  @Test func anEmptyNeighbourhoodHasNoGradient() throws {
    let bank = MemoryBank(images: 4, dimension: 2, dtype: .float64, using: Generator(seed: 1))
    bank.rows.copy(from: Tensor([1.0, 0, 0.6, 0.8, 0, 1, -1, 0], shape: [4, 2]))
    let method = LocalAggregation(
      .init(background: 2, clusters: 4, clusterings: 1), bank: bank, seed: 1, encoder: BankCase.encoder())
    method.clusters.tensor.copy(from: Tensor([0, 1, 2, 3], shape: [1, 4]))
    let x = Tensor([0.8, 0.6], shape: [1, 2])
    x.requiresGrad = true
    let output = method.forward(ViewBatch([x], samples: [3], step: 0))
    output.loss.backward()
    #expect(abs(output.loss.item() + log(1e-7)) < 1e-12)
    #expect(try #require(x.gradient).array(of: Double.self) == [0, 0])
  }

  /// The draws of an image's noise depend on the image and the step, so not on how a batch is cut.
  @Test func anImageHasItsOwnNoise() {
    let bank = MemoryBank(images: 50, dimension: 4, using: Generator(seed: 1))
    func rows(_ samples: [Int], step: Int = 4) -> [Int] {
      bank.drawn(20, for: samples, seed: 3, step: step).array()
    }
    #expect(rows([7, 9]) == rows([7]) + rows([9]))
    #expect(rows([7]) != rows([9]) && rows([7]) != rows([7], step: 5))
    #expect(rows([7, 9]).allSatisfy { (0..<50).contains($0) })
  }

  /// With the constant Z, the loss is the sum of the published code's logarithms.
  @Test func noiseContrastIsTheClosedForm() {
    let (positive, noise, images) = ([2.0, -1], [[0.5, 3, -2], [1, 0, 4]], 40)
    let z = 2_876_934.2 / 1_281_167 * Double(images), c = 3 / Double(images)
    var expected = 0.0
    for (own, others) in zip(positive, noise) {
      let p = exp(own) / z
      expected -= log(p / (p + c + 1e-7)) / 2
      for other in others { expected -= log(c / (exp(other) / z + c + 1e-7)) / 2 }
    }
    let loss = NoiseContrast(.constant, images: images)(
      Tensor(positive, shape: [2, 1]), noise: Tensor(noise.flatMap(\.self), shape: [2, 3]))
    #expect(abs(loss.item() - expected) < 1e-12)
  }

  @Test func theSizesFollowTheNumberOfImages() {
    func sizes(_ images: Int, _ set: (inout RunConfig) -> Void = { _ in }) -> [Int] {
      var config = RunConfig()
      (config.method, config.arch, config.mocoDim) = ("local-agg", .resnet8, 4)
      set(&config)
      let context = MethodContext(
        config, spec: EncoderSpec(arch: .resnet8, head: config.kind.head(config)), images: images, on: .cpu,
        seed: 1)
      guard let method = config.kind.make(config, context) as? LocalAggregation else { return [] }
      return [method.settings.background, method.settings.clusters, method.settings.clusterings]
    }
    #expect(sizes(50_000) == [166, 1162, 10])
    #expect(sizes(100) == [8, 8, 10])
    #expect(sizes(5) == [5, 5, 10])
    #expect(sizes(100) { ($0.background, $0.clusters, $0.clusterings) = (20, 300, 2) } == [20, 100, 2])
  }

  /// The published Z is a number, of keys of one size and one temperature.
  @Test func theConstantZOfOtherKeysIsWarnedOf() {
    let facts = RunFacts(images: 5000, batchSize: 8, passSize: 8, lr: 0.03, ranks: 1, imageSize: 32)
    func warnings(_ method: MethodName, _ set: (inout RunConfig) -> Void) -> [String] {
      var config = RunConfig()
      (config.method, config.noisePartition, config.mocoK) = (method, .constant, 4096)
      set(&config)
      return config.kind.warnings(config, facts)
    }
    let warning =
      "--noise-partition constant: the published Z is that of random keys of --moco-dim 128 at --moco-t 0.07, and here "
      + "it is 64 at 0.07. Use --noise-partition step."
    for method in ["instdisc", "local-agg"] as [MethodName] {
      #expect(warnings(method) { _ in }.isEmpty)
      #expect(warnings(method) { $0.mocoDim = 64 } == [warning])
      #expect(warnings(method) { $0.mocoT = 0.1 }.count == 1)
      #expect(warnings(method) { ($0.mocoDim, $0.noisePartition) = (64, .step) }.isEmpty)
    }
    #expect(warnings("instdisc") { ($0.mocoDim, $0.mocoK) = (64, 5000) }.isEmpty)  // the whole softmax
    #expect(warnings("local-agg") { ($0.mocoDim, $0.instDiscEpochs) = (64, 0) }.isEmpty)
  }

  @Test func moreClustersThanImagesAreWarnedOf() {
    var config = RunConfig()
    (config.method, config.background, config.clusters) = ("local-agg", 30, 60)
    let facts = RunFacts(images: 50, batchSize: 8, passSize: 8, lr: 0.03, ranks: 1, imageSize: 32)
    #expect(
      config.kind.warnings(config, facts) == [
        "--clusters 60: there are only 50 images, so 50 are taken. Give fewer."
      ])
  }
}
