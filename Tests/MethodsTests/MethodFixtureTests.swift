import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// Steps of the methods beside MoCo as PyTorch makes them in float64; see `Fixtures/methods/make_methods.py`.
@Suite struct MethodFixtures {
  struct Reference: Decodable {
    let parameters: [String]
    let losses: [Double]
    /// Of modules' tensors after the last step.
    let norms: [String: Double]
    /// Of all other tensors.
    let sums: [String: Double]
  }

  enum Case: String, CaseIterable {
    case endToEnd = "end-to-end"
    case memoryBank = "memory-bank"
    case simclr, byol, simsiam
    case barlowTwins = "barlow-twins"
    case instDiscSoftmax = "instdisc-softmax"
    case instDiscNCE = "instdisc-nce"
    case rotation, jigsaw
    case relativePosition = "relative-position"
    case cpc
  }

  private let references: [String: Reference]
  private let generator = Generator(seed: 3)
  private var dtype = DType.float64

  init() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/methods/methods.json")
    references = try JSONDecoder().decode([String: Reference].self, from: Data(contentsOf: file))
  }

  private func encoder(_ head: Head = .linear(outputs: 16)) -> ImageEncoder {
    let network = EncoderSpec(arch: .resnet8, head: head).makeEncoder(using: generator)
    network.convert(to: dtype)
    return network
  }

  private func predictor(_ head: Head, inputs: Int) -> Module {
    let layers = head.makeLayers(inputs: inputs, using: generator)
    layers.convert(to: dtype)
    return layers
  }

  private func bank() -> MemoryBank {
    let bank = MemoryBank(images: 12, dimension: 16, dtype: dtype, using: generator)
    bank.rows.copy(from: l2Normalized(formula(salt: 1, shape: [12, 16])))
    return bank
  }

  private func method(_ which: Case) -> any Method {
    switch which {
    case .endToEnd: EndToEnd(.init(temperature: 0.2), seed: 7) { encoder() }
    case .memoryBank:
      MemoryBankMoCo(.init(negatives: 5, temperature: 0.2), bank: bank(), seed: 7, encoder: encoder())
    case .simclr: SimCLR(temperature: 0.5, encoder: encoder(.mlp(outputs: 16)))
    case .byol:
      BYOL(predictor: predictor(BYOL.head(hidden: 24, outputs: 16), inputs: 16)) {
        encoder(BYOL.head(hidden: 24, outputs: 16))
      }
    case .simsiam:
      SimSiam(
        predictor: predictor(SimSiam.predictor(outputs: 16), inputs: 16),
        encoder: encoder(SimSiam.projector(hidden: 24, outputs: 16)))
    case .barlowTwins: BarlowTwins(encoder: encoder(BarlowTwins.projector(hidden: 24, outputs: 16)))
    case .instDiscSoftmax:
      InstDisc(
        .init(estimate: .softmax, temperature: 0.2, proximal: 30), bank: bank(), seed: 7, encoder: encoder())
    case .instDiscNCE:
      InstDisc(
        .init(estimate: .noiseContrastive(m: 5), temperature: 0.2), bank: bank(), seed: 7, encoder: encoder())
    case .rotation: Rotation(encoder: encoder(Rotation.head))
    case .jigsaw:
      Jigsaw(predictor: predictor(Jigsaw.classifier, inputs: 144), seed: 7, encoder: encoder())
    case .relativePosition:
      RelativePosition(
        predictor: predictor(RelativePosition.classifier, inputs: 32), seed: 7, encoder: encoder())
    case .cpc:
      {
        let context = CPC.Context(dimension: 16, using: generator)
        context.convert(to: dtype)
        return CPC(context: context, encoder: encoder())
      }()
    }
  }

  private func setWeights(of method: any Method) {
    withNoGrad {
      for (number, entry) in method.trainable.enumerated() {
        let shape = entry.tensor.shape
        guard shape.count > 1 else {
          entry.tensor.fill(entry.name.hasSuffix("weight") ? 1 : 0)
          continue
        }
        let fanIn = Double(shape.dropFirst().reduce(1, *))
        entry.tensor.copy(from: formula(salt: 1000 + number, shape: shape) * (6 / fanIn).squareRoot())
      }
    }
    if let byol = method as? BYOL { byol.encoderK.encoder.copyState(from: byol.encoderQ) }
  }

  /// The last 16 bits of a float32 are what bfloat16 has not.
  @Test(arguments: [Case.endToEnd, .memoryBank, .simclr, .instDiscSoftmax, .instDiscNCE, .cpc])
  func inBfloat16TheLogitsAreNotRounded(which: Case) throws {
    var half = self
    half.dtype = .float32
    let method = half.method(which)
    let x = formula(salt: 1, shape: [4, 3, 16, 16]).to(.float32)
    let logits = try withNoGrad {
      let output = withPrecision(.bfloat16, on: .cpu) {
        method.forward(ViewBatch([x, x * 0.5], samples: [0, 3, 6, 9], step: 0))
      }
      return try #require(output.logits)
    }
    #expect(logits.dtype == .float32)
    let others = logits.narrowed(1..<(logits.shape.last ?? 0), dim: 1)
    #expect(others.to(.bfloat16).to(.float32).array(of: Float.self) != others.array(of: Float.self))
  }

  /// exp(1/τ) is far beyond what float32 holds.
  @Test(arguments: [InstDisc.Estimate.softmax, .noiseContrastive(m: 5)])
  func instDiscIsFiniteAtSmallTemperatures(estimate: InstDisc.Estimate) {
    var single = self
    single.dtype = .float32
    let method = InstDisc(
      .init(estimate: estimate, temperature: 0.001), bank: single.bank(), seed: 7, encoder: single.encoder())
    let x = formula(salt: 1, shape: [4, 3, 16, 16]).to(.float32)
    let loss = method.forward(ViewBatch([x, x], samples: [0, 3, 6, 9], step: 0)).loss
    loss.backward()
    #expect(loss.item().isFinite)
    #expect(method.trainable.allSatisfy { ($0.tensor.gradient?.norm().item() ?? .nan).isFinite })
  }

  @Test(arguments: Case.allCases)
  func lossesAndFinalTensorsAreThoseOfPyTorch(which: Case) throws {
    let reference = try #require(references[which.rawValue])
    let method = method(which)
    #expect(method.trainable.map(\.name) == reference.parameters)
    setWeights(of: method)
    let optimizer = SGD(method.trainable.map(\.tensor), momentum: 0.9, weightDecay: 1e-4)
    var losses: [Double] = []
    for step in 0..<4 {
      let shape = [4, 3, 16, 16]
      let x1 = formula(salt: 10000 + 2 * step, shape: shape) * 2
      let x2 = formula(salt: 10001 + 2 * step, shape: shape) + x1 * 0.5
      method.beforeForward(momentum: 0.9)
      let samples = (0..<4).map { (5 * step + 3 * $0) % 12 }
      let output = method.forward(ViewBatch([x1, x2], samples: samples, step: step))
      output.loss.backward()
      optimizer.step(learningRate: 0.03)
      method.afterStep([output])
      losses.append(output.loss.item())
      try expectMeasurable(output)
    }
    #expect(losses.count == reference.losses.count)
    for (step, (ours, theirs)) in zip(losses, reference.losses).enumerated() {
      #expect(isClose(ours, theirs), "loss of step \(step): \(ours), PyTorch \(theirs)")
    }

    let tensors = method.state.filter { $0.tensor.dtype == .float64 }
    #expect(tensors.count == reference.norms.count + reference.sums.count)
    let state = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor.detached()) })
    for (name, theirs) in reference.norms {
      let ours = try #require(state[name], "no tensor named \(name)").norm().item()
      #expect(isClose(ours, theirs), "norm of \(name): \(ours), PyTorch \(theirs)")
    }
    for (name, theirs) in reference.sums {
      let ours = try #require(state[name], "no tensor named \(name)").sum().item()
      #expect(isClose(ours, theirs), "sum of \(name): \(ours), PyTorch \(theirs)")
    }
  }

  /// What the log's diagnostics need: features of both views of length 1, without a graph.
  private func expectMeasurable(_ output: StepOutput) throws {
    let (queries, keys) = try #require(output.features)
    #expect(queries.shape.first == 4 && queries.shape == keys.shape)
    #expect(!queries.requiresGrad && !keys.requiresGrad)
    for features in [queries, keys] {
      #expect(features.norm(dim: 1).array(of: Double.self).allSatisfy { abs($0 - 1) < 1e-12 })
    }
    if let accuracy = output.accuracy { #expect((0...1).contains(accuracy.top1)) }
  }

  /// Two correct programs in float64 agree to about 1e-12; the rest is for other orders of summation, amplified by
  /// normalisations over a few numbers in four steps.
  private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-8 * max(abs(b), 1e-4) }
}

@Suite struct PartsOfMethods {
  @Test func squaresAreThePixelsOfTheImage() {
    let x = formula(salt: 5, shape: [2, 3, 6, 7])
    let corners = [[Corner(y: 0, x: 0), Corner(y: 3, x: 4)], [Corner(y: 1, x: 2), Corner(y: 2, x: 0)]]
    let cut = extractPatches(x, at: corners, side: 3)
    #expect(cut.shape == [4, 3, 3, 3])
    for (i, corner) in corners.flatMap(\.self).enumerated() {
      let expected = x.selected(i / 2).narrowed(corner.y..<corner.y + 3, dim: 1)
        .narrowed(corner.x..<corner.x + 3, dim: 2)
      #expect(cut.selected(i).array(of: Double.self) == expected.array())
    }
  }

  /// 9·8 is the most there can be at a distance of 8.
  @Test func thePuzzlesAre72OrdersThatShareAtMostOnePlace() {
    let orders = Jigsaw.permutations
    #expect(orders.count == 72)
    #expect(orders.allSatisfy { $0.sorted() == Array(0..<9) })
    for (i, a) in orders.enumerated() {
      for b in orders[..<i] { #expect(zip(a, b).filter { $0 == $1 }.count <= 1) }
    }
  }

  @Test func theBankDrawsTheSameRowsForAStepAndOthersForTheNext() {
    let bank = MemoryBank(images: 50, dimension: 4, using: Generator(seed: 1))
    func rows(_ step: Int, part: Int = 0) -> [Int] {
      bank.drawn(20, seed: 3, step: step, part: part).array()
    }
    #expect(rows(4).count == 20 && rows(4) == rows(4))
    #expect(rows(4) != rows(5) && rows(4) != rows(4, part: 1))
    #expect(rows(4).allSatisfy { (0..<50).contains($0) })
  }

  @Test func aRowMovesHalfWayAndStaysOnTheSphere() {
    let bank = MemoryBank(images: 3, dimension: 2, dtype: .float64, using: Generator(seed: 1))
    bank.rows.copy(from: Tensor([1.0, 0, 0, 1, 1, 0], shape: [3, 2]))
    bank.update(Tensor([2, 1]), with: Tensor([0.0, 1, 0, 1], shape: [2, 2]))
    let half = 0.5.squareRoot()
    let rows = bank.rows.array(of: Double.self)
    for (ours, expected) in zip(rows, [1, 0, 0, 1, half, half]) { #expect(abs(ours - expected) < 1e-15) }
  }

  /// The context of a place may hold nothing of the rows below it: they are what is predicted.
  @Test func theContextLooksUpwards() {
    let context = CPC.Context(dimension: 2, using: Generator(seed: 1))
    let z = Tensor.normal([1, 2, 7, 7], using: Generator(seed: 2))
    let before = context(z).narrowed(0..<4, dim: 2).array(of: Float.self)
    withNoGrad { z.narrowed(4..<7, dim: 2).fill(9) }
    #expect(context(z).shape == [1, 2, 7, 7])
    #expect(context(z).narrowed(0..<4, dim: 2).array(of: Float.self) == before)
  }
}
