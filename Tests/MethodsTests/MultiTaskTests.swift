import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

private func encoder(_ head: Head?, seed: UInt64 = 3) -> ImageEncoder {
  let network = EncoderSpec(arch: .resnet8, head: head).makeEncoder(using: Generator(seed: seed))
  network.convert(to: .float64)
  return network
}

private func layers(_ head: Head, inputs: Int, seed: UInt64) -> Module {
  let layers = head.makeLayers(inputs: inputs, using: Generator(seed: seed))
  layers.convert(to: .float64)
  return layers
}

/// Normalised views of four images.
private func batch(step: Int = 0, side: Int = 16) -> ViewBatch {
  ViewBatch(
    (0..<2).map { formula(salt: 40 + 2 * step + $0, shape: [4, 3, side, side]) * 2 }, step: step)
}

@Suite struct ColorizationTests {
  private func method(_ predictor: Module) -> Colorization {
    Colorization(predictor: predictor, normalization: .cifar, encoder: encoder(nil))
  }

  @Test func equalLogitsHaveTheLossOfAGuess() {
    let predictor = layers(Colorization.classifier, inputs: 64, seed: 1)
    withNoGrad { for parameter in predictor.parameters { parameter.fill(0) } }
    let output = method(predictor).forward(batch())
    #expect(abs(output.loss.item() - log(313)) < 1e-12)
    #expect(abs(Colorization.chanceLoss - log(313)) < 1e-15)
  }

  /// Every cell of an image of one colour has the target of that colour, whatever the resizing.
  @Test func theTargetOfACellIsTheColourOfItsPixels() throws {
    let method = method(layers(Colorization.classifier, inputs: 64, seed: 1))
    let levels = (formula(salt: 9, shape: [8, 3, 1, 1]) + 1) / 2
    let images = Normalization.cifar.normalized(levels.expanded([8, 3, 16, 16]).contiguous())
    let output = method.forward(ViewBatch([images.narrowed(0..<4), images.narrowed(4..<8)], step: 0))
    let logits = try #require(output.logits)
    #expect(logits.shape == [8 * 4 * 4, 313])  // a quarter of 16 pixels

    let colors = lab(sRGB: levels).reshaped([8, 3]).narrowed(1..<3, dim: 1)
    let targets = ColorBins.published.softTargets(colors).array(of: Double.self)
    let likelihoods = logSoftmax(logits, dim: 1).array(of: Double.self)
    var expected = 0.0
    for cell in 0..<128 {
      for bin in 0..<313 {
        expected -= targets[cell / 16 * 313 + bin] * likelihoods[cell * 313 + bin] / 128
      }
    }
    // A level in and out of its normalisation is 1e-15 off, and Lab multiplies that by 500.
    #expect(abs(output.loss.item() - expected) < 1e-9)
    output.loss.backward()
    #expect(method.trainable.allSatisfy { $0.tensor.gradient?.norm().item() ?? 0 > 0 })
  }

  /// Brute force over all classes, at colours of the gamut and beyond.
  @Test func softTargetsAreThoseOfTheNearestClasses() {
    let colors = formula(salt: 12, shape: [40, 2]) * 90
    let ab = colors.array(of: Double.self)
    let targets = ColorBins.published.softTargets(colors, nearest: 5, deviation: 5).array(of: Double.self)
    for i in 0..<40 {
      let squares = ColorBins.published.centers.map {
        (ab[2 * i] - $0[0]) * (ab[2 * i] - $0[0]) + (ab[2 * i + 1] - $0[1]) * (ab[2 * i + 1] - $0[1])
      }
      let nearest = squares.indices.sorted { squares[$0] < squares[$1] }.prefix(5)
      // Relative to the nearest one, because a colour beyond the gamut is far from all.
      let weights = nearest.map { exp((squares[nearest[0]] - squares[$0]) / 50) }
      var expected = [Double](repeating: 0, count: 313)
      for (place, weight) in zip(nearest, weights) { expected[place] = weight / weights.reduce(0, +) }
      let difference = (0..<313).map { abs(targets[i * 313 + $0] - expected[$0]) }.max() ?? 0
      #expect(difference < 1e-12, "colour \(i)")
    }
  }

  @Test func theClassesAre313ColumnsOfAGrid() {
    let centers = ColorBins.published.centers
    #expect(centers.count == 313 && Set(centers).count == 313)
    #expect(centers.allSatisfy { $0.allSatisfy { $0.truncatingRemainder(dividingBy: 10) == 0 } })
    #expect(centers.contains([0, 0]) && centers.first == [-90, 50] && centers.last == [100, 0])
  }

  /// The network sees L and no colour, on the scale of a gray picture.
  @Test func theInputIsGrayAndNearAGrayPicturesOwn() {
    let normalization = Normalization.imageNet
    let views = batch().views[0]
    let seen = normalization.levels(of: normalization.lightness(normalization.lab(of: views)))
    let (red, blue) = (seen.selected(0, dim: 1), seen.selected(2, dim: 1))
    #expect(((red - blue).abs().max().item()) < 1e-12)

    let levels = (Tensor.arange(256, dtype: .float64) / 255).reshaped([256, 1, 1, 1])
    let gray = normalization.normalized(levels)  // 256×3×1×1
    let again = normalization.levels(of: normalization.lightness(normalization.lab(of: gray)))
    #expect((again - levels).abs().max().item() < 0.04)
  }
}

@Suite struct ExemplarTests {
  @Test func theNegativeIsTheNextImageOfTheBatch() throws {
    let method = Exemplar(loss: TripletLoss(margin: 0.5), encoder: encoder(.linear(outputs: 6)))
    let output = method.forward(batch())
    let (queries, keys) = try #require(output.features)
    let (q, k) = (queries.array(of: Double.self), keys.array(of: Double.self))
    func cosine(_ i: Int, _ j: Int) -> Double { (0..<6).reduce(0.0) { $0 + q[i * 6 + $1] * k[j * 6 + $1] } }
    let expected = (0..<4).map { max(0, cosine($0, ($0 + 1) % 4) - cosine($0, $0) + 0.5) }.reduce(0, +) / 4
    #expect(abs(output.loss.item() - expected) < 1e-13)
    #expect(output.logits?.shape == [4, 4])
    output.loss.backward()
    #expect(method.trainable.allSatisfy { $0.tensor.gradient != nil })
  }

  /// Central differences of the loss, away from the corner of max(0, ·).
  @Test func theGradientIsTheSlope() throws {
    let rows = [21, 22, 23].map { formula(salt: $0, shape: [5, 4]) }
    func terms(_ rows: [Tensor]) -> Tensor {
      let unit = rows.map { l2Normalized($0) }
      return TripletLoss(margin: 0.5).terms(unit[0], unit[1], unit[2])
    }
    let values = terms(rows).array(of: Double.self)
    #expect(values.contains { $0 > 1e-3 })
    for row in rows { row.requiresGrad = true }
    terms(rows).mean().backward()
    let step = 1e-6
    for (number, row) in rows.enumerated() {
      let gradient = try #require(row.gradient).array(of: Double.self)
      for place in 0..<20 {
        func loss(_ difference: Double) -> Double {
          var moved = rows.map { $0.detached() }
          var values = moved[number].array(of: Double.self)
          values[place] += difference
          moved[number] = Tensor(values, shape: [5, 4])
          return terms(moved).mean().item()
        }
        let slope = (loss(step) - loss(-step)) / (2 * step)
        // The third derivative times step² is about 1e-11, rounding over step about 1e-10.
        #expect(abs(slope - gradient[place]) < 1e-8, "row \(number), \(place)")
      }
    }
  }

  @Test func theLossOfAGuessIsTheMargin() {
    var config = RunConfig()
    (config.method, config.tripletMargin) = ("exemplar", 0.3)
    let facts = RunFacts(images: 100, batchSize: 10, passSize: 10, lr: 0.1, ranks: 1, imageSize: 32)
    #expect(config.kind.expectedLoss(config, facts).text == "loss of a guess: the margin = 0.30")
    // All features the same, as an untrained network nearly has them.
    let same = l2Normalized(Tensor.ones([4, 3], dtype: .float64))
    let values = TripletLoss(margin: 0.3).terms(same, same, same).array(of: Double.self)
    #expect(values.allSatisfy { abs($0 - 0.3) < 1e-15 })
  }
}

@Suite struct MultiTaskTests {
  private let weights = MultiTask.Weights(relativePosition: 0.5, colorization: 2, exemplar: 3)

  private func together(_ colors: RelativePosition.Colors) -> MultiTask {
    let trunk = encoder(nil)
    func withHead(_ seed: UInt64) -> ImageEncoder {
      ImageEncoder(trunk.backbone, head: layers(.linear(outputs: 16), inputs: 64, seed: seed))
    }
    return MultiTask(
      weights, trunk: trunk,
      relativePosition: RelativePosition(
        predictor: layers(RelativePosition.classifier, inputs: 32, seed: 11), colors: colors, seed: 7,
        encoder: withHead(12)),
      colorization: Colorization(
        predictor: layers(Colorization.classifier, inputs: 64, seed: 13), normalization: .cifar,
        encoder: trunk),
      exemplar: Exemplar(loss: TripletLoss(margin: 0.5), encoder: withHead(14)))
  }

  /// The same tasks, each on a network of its own.
  private func alone(_ colors: RelativePosition.Colors) -> [(
    name: String, weight: Double, method: any Method
  )] {
    [
      (
        "relative_position", weights.relativePosition,
        RelativePosition(
          predictor: layers(RelativePosition.classifier, inputs: 32, seed: 1), colors: colors, seed: 7,
          encoder: encoder(.linear(outputs: 16), seed: 5))
      ),
      (
        "colorization", weights.colorization,
        Colorization(
          predictor: layers(Colorization.classifier, inputs: 64, seed: 1), normalization: .cifar,
          encoder: encoder(nil, seed: 5))
      ),
      (
        "exemplar", weights.exemplar,
        Exemplar(loss: TripletLoss(margin: 0.5), encoder: encoder(.linear(outputs: 16), seed: 5))
      ),
    ]
  }

  /// Loss and gradients, on the same draws and from the same weights.
  @Test(arguments: [RelativePosition.Colors.one, .lightness(.cifar)])
  func itIsTheWeightedSumOfTheTasks(colors: RelativePosition.Colors) throws {
    let (method, tasks) = (together(colors), alone(colors))
    let parts: [Module?] = [method.relativePosition, method.colorization, method.exemplar]
    for (task, part) in zip(tasks, parts) { task.method.copyState(from: try #require(part)) }

    let output = method.forward(batch(step: 3))
    output.loss.backward()
    let own = Set(method.namedParameters.map(\.name))
    var expected = 0.0
    var gradients: [String: Tensor] = [:]
    for (name, weight, task) in tasks {
      let loss = task.forward(batch(step: 3)).loss
      loss.backward()
      expected += weight * loss.item()
      for entry in task.namedParameters {
        let gradient = try #require(entry.tensor.gradient) * weight
        let place = own.contains(entry.name) ? entry.name : "\(name).\(entry.name)"
        gradients[place] = gradients[place].map { $0 + gradient } ?? gradient
      }
    }
    // The same sums in another order.
    #expect(abs(output.loss.item() - expected) < 1e-12 * expected)
    #expect(own == Set(gradients.keys))
    for entry in method.namedParameters {
      let (ours, theirs) = (try #require(entry.tensor.gradient), try #require(gradients[entry.name]))
      let (difference, scale) = ((ours - theirs).norm().item(), theirs.norm().item())
      #expect(difference <= 1e-9 * scale, "\(entry.name): \(difference) of \(scale)")
    }
  }

  @Test func theTrunkIsListedOnceAndEveryParameterLearns() {
    let method = together(.one)
    let names = method.state.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(
      names.filter { $0.hasSuffix("conv1.weight") && !$0.contains("layer") } == ["encoder_q.conv1.weight"])
    #expect(
      names.filter { !$0.hasPrefix("encoder_q.") } == [
        "relative_position.encoder_q.fc.weight", "relative_position.encoder_q.fc.bias",
        "relative_position.predictor.0.weight", "relative_position.predictor.0.bias",
        "relative_position.predictor.2.weight", "relative_position.predictor.2.bias",
        "colorization.predictor.0.weight", "colorization.predictor.0.bias",
        "colorization.predictor.2.weight", "colorization.predictor.2.bias",
        "exemplar.encoder_q.fc.weight", "exemplar.encoder_q.fc.bias",
      ])
    let optimizer = SGD(method.trainable.map(\.tensor), momentum: 0.9)
    let before = method.trainable.map { $0.tensor.array(of: Double.self) }
    method.forward(batch()).loss.backward()
    optimizer.step(learningRate: 0.1)
    for (entry, old) in zip(method.trainable, before) {
      #expect(entry.tensor.array(of: Double.self) != old, "\(entry.name)")
    }
  }

  private func config(_ change: (inout RunConfig) -> Void) -> RunConfig {
    var config = RunConfig()
    (config.method, config.arch, config.mocoDim) = ("multi-task", .resnet8, 8)
    change(&config)
    return config
  }

  private func made(_ config: RunConfig) throws -> MultiTask {
    let spec = EncoderSpec(arch: config.arch, imageSize: 16, head: config.kind.head(config))
    let context = MethodContext(config, spec: spec, images: 10, on: .cpu, seed: 1)
    return try #require(config.kind.make(config, context) as? MultiTask)
  }

  @Test func aTaskOfWeight0IsLeftOut() throws {
    let config = config { ($0.relativePositionWeight, $0.exemplarWeight) = (0, 0.5) }
    let method = try made(config)
    #expect(method.relativePosition == nil && method.colorization != nil && method.exemplar != nil)
    #expect(method.weights == .init(relativePosition: 0, colorization: 1, exemplar: 0.5))
    #expect(!method.state.contains { $0.name.hasPrefix("relative_position") })
    #expect(config.kind.passes(config) == 2)
    let facts = RunFacts(images: 100, batchSize: 10, passSize: 10, lr: 0.1, ranks: 1, imageSize: 32)
    #expect(config.kind.summary(config, facts) == "colorization × 1.0, exemplar × 0.5")
  }

  @Test func theLossOfAGuessIsTheWeightedSumOfTheirs() throws {
    let config = config { ($0.colorizationWeight, $0.tripletMargin) = (0.25, 0.4) }
    let facts = RunFacts(images: 100, batchSize: 10, passSize: 10, lr: 0.1, ranks: 1, imageSize: 32)
    let expected = config.kind.expectedLoss(config, facts)
    let guess: Double = log(8) + 0.25 * log(313) + 0.4
    #expect(abs((expected.chance ?? 0) - guess) < 1e-12)
    #expect(expected.text == "loss of a guess: log(8) + 0.25·log(313) + 0.4 = 3.92")
  }

  /// Two runs of one seed have equal weights and draws, and so have ranks.
  @Test func theSeedDeterminesWeightsAndDraws() throws {
    let config = config { $0.harmonize = true }
    let (one, other) = (try made(config), try made(config))
    let x = (0..<2).map { formula(salt: 60 + $0, shape: [4, 3, 16, 16]).to(.float32) }
    #expect(one.forward(.init(x, step: 2)).loss.item() == other.forward(.init(x, step: 2)).loss.item())
    let tensors = zip(one.state, other.state)
    #expect(tensors.allSatisfy { $0.tensor.array(of: Float.self) == $1.tensor.array(of: Float.self) })
  }
}
