import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

@Suite struct MoCoV3Steps {
  private let x1 = formula(salt: 11, shape: [6, 3, 8, 8])
  private let x2 = formula(salt: 12, shape: [6, 3, 8, 8])

  /// Always the same weights.
  private func method() -> MoCoV3 {
    var settings = MoCoV3.Settings.resNet
    settings.dimension = 16
    settings.hidden = 24
    let generator = Generator(seed: 3)
    let predictor = settings.predictor.makeLayers(inputs: 16, using: generator)
    predictor.convert(to: .float64)
    return MoCoV3(settings, predictor: predictor) {
      let network = EncoderSpec(arch: .resnet8, head: settings.projector)
        .makeEncoder(zeroResiduals: true, using: generator)
      network.convert(to: .float64)
      return network
    }
  }

  @Test func onlyTheQueryEncoderAndThePredictorGetGradients() {
    let method = method()
    let output = method.forward(ViewBatch([x1, x2], step: 0))
    #expect(output.loss.shape == [] && output.logits?.shape == [6, 6] && output.keys == nil)
    #expect(output.targets?.array(of: Int.self) == Array(0..<6))
    output.loss.backward()
    #expect(method.trainable.count == method.encoderQ.parameters.count + method.predictor.parameters.count)
    #expect(method.trainable.allSatisfy { $0.tensor.gradient != nil })
    #expect(method.encoderK.parametersThatFollow.count == method.encoderQ.parameters.count)
    #expect(method.encoderK.parametersThatFollow.allSatisfy { $0.gradient == nil })
  }

  @Test func theLossIsTheSameWhenTheViewsAreExchanged() {
    let forth = method().forward(ViewBatch([x1, x2], step: 0)),
      back = method().forward(ViewBatch([x2, x1], step: 0))
    #expect(abs(forth.loss.item() - back.loss.item()) < 1e-12)
  }

  /// After an update with m = 0 the key encoder is the query encoder.
  @Test func theKeyEncoderFollowsTheQueryEncoder() {
    let method = method()
    withNoGrad {
      for parameter in method.encoderQ.parameters { parameter.add(.full(0.01, [], dtype: .float64)) }
    }
    method.beforeForward(momentum: 0)
    #expect(method.encoderK.parametersThatFollow.count == method.encoderQ.parameters.count)
    for (mine, other) in zip(method.encoderK.parametersThatFollow, method.encoderQ.parameters) {
      #expect(mine.array(of: Double.self) == other.array())
    }
  }

  @Test func theStateNamesBothEncodersAndThePredictor() {
    let method = method()
    let names = method.state.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.contains("encoder_q.fc.4.running_mean") && names.contains("encoder_k.fc.4.running_mean"))
    #expect(!names.contains("encoder_q.fc.4.weight"))  // the projector ends without weight and bias
    #expect(names.contains("predictor.3.weight") && !names.contains("predictor.4.running_mean"))
    let transformer = MoCoV3.Settings.transformer
    #expect(
      transformer.projector == .normalizedMLP(layers: 3, hidden: 4096, outputs: 256, endsNormalized: true))
    #expect(
      transformer.predictor == .normalizedMLP(layers: 2, hidden: 4096, outputs: 256, endsNormalized: true))
  }

  @Test func theMomentumGoesFromItsBaseToOne() {
    let schedule = MomentumSchedule.cosineToOne
    #expect(schedule.momentum(base: 0.99, progress: 0) == 0.99)
    #expect(abs(schedule.momentum(base: 0.99, progress: 0.5) - 0.995) < 1e-15)
    #expect(abs(schedule.momentum(base: 0.99, progress: 0.25) - (1 - 0.005 * (1 + 0.5.squareRoot()))) < 1e-15)
    #expect(schedule.momentum(base: 0.99, progress: 1) == 1)
    #expect(MomentumSchedule.constant.momentum(base: 0.99, progress: 0.7) == 0.99)
  }

  /// −log softmax of the positive, times 2τ, by plain Swift.
  @Test(arguments: [0.2, 1.0]) func theLossAmongTheBatchIsTheClosedForm(temperature: Double) {
    let q = l2Normalized(formula(salt: 1, shape: [3, 5])),
      keys = l2Normalized(formula(salt: 2, shape: [7, 5]))
    let positives = [4, 0, 6]
    let (loss, logits) = InfoNCE(temperature: temperature).amongBatch(q, keys, positives: Tensor(positives))
    let (a, b) = (q.array(of: Double.self), keys.array(of: Double.self))
    var expected = 0.0
    for (i, positive) in positives.enumerated() {
      let row = (0..<7).map { j -> Double in
        let products: [Double] = (0..<5).map { a[i * 5 + $0] * b[j * 5 + $0] }
        return products.reduce(0, +) / temperature
      }
      let total: Double = row.map { exp($0) }.reduce(0, +)
      expected += (log(total) - row[positive]) / 3
    }
    expected *= 2 * temperature
    #expect(logits.shape == [3, 7])
    #expect(abs(loss.item() - expected) < 1e-13)
  }

  @Test func accuracyLooksForThePositivesColumn() {
    let logits = Tensor([0.1, 0.9, 0.5, 0.7, 0.2, 0.3], shape: [2, 3])
    #expect(
      ContrastAccuracy(logits: logits, positives: Tensor([1, 2])) == ContrastAccuracy(top1: 0.5, top5: 1))
    #expect(
      ContrastAccuracy(logits: logits, positives: Tensor([0, 1])) == ContrastAccuracy(top1: 0, top5: 1))
    #expect(ContrastAccuracy(logits: logits).top1 == 0.5)
  }
}
