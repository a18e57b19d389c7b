import Torch

/// Classification with all weights trained, from few or all labels: the value of an encoder as initial
/// weights.
///
/// The paper gives no rates for it. The defaults are this project's own: rates in the ratio of 1 to 10,
/// because the classifier is untrained and the backbone is not, and a cosine to 0.
package struct FineTuneProtocol: Equatable, Sendable {
  package var epochs = 50
  /// The number of images per step.
  package var batchSize = 64
  /// SGD's.
  package var momentum = 0.9
  package var weightDecay = 1e-4
  /// Of both learning rates, epoch by epoch.
  package var schedule = Schedule.cosine
  /// The backbone's learning rate for a batch of 256; see ``scaled(_:)`` for other batches.
  package var backboneRate = 0.1
  /// The classifier's.
  package var classifierRate = 1.0
  /// The number of epochs between tests; there is always a test after the last epoch.
  package var testEvery = 5
  /// For the classifier's initial weights, the order of the images and the choice of labels.
  package var seed: UInt64 = 1

  package init() {}

  /// A learning rate for this batch: proportional to its size (Goyal et al. 2017).
  package func scaled(_ rate: Double) -> Double { rate * Double(batchSize) / 256 }

  /// Trains backbone and classifier together and tests them. It ends if a loss or weights become infinite or
  /// NaN.
  ///
  /// The network is in training mode for a batch and in evaluation mode for a test and afterwards.
  /// - Parameters:
  ///   - network: N×3×H×W → N×C logits; the parameters of its classifier are named `fc.…` or `head.…`.
  ///   - batches: Calls its second argument with each batch of an epoch (counted from 0): images N×3×H×W and
  ///     labels.
  ///   - test: Scores the network; nil if its logits are not finite.
  ///   - progress: Called after each test.
  /// - Throws: `TorchError`, and the errors of `batches` and `test`.
  package func train(
    _ network: Module,
    batches: (_ epoch: Int, _ learn: (Tensor, [Int]) throws -> Void) throws -> Void,
    test: () throws -> ClassificationScore?, progress: (ClassifierRun) -> Void = { _ in }
  ) throws -> ClassifierRun {
    let trial = ClassifierRun()
    let learner = try withTorchErrors {
      FineTuner(network, momentum: momentum, weightDecay: weightDecay)
    }
    defer { network.train(false) }
    for epoch in 0..<epochs where trial.divergedIn == nil {
      network.train()
      let factor = schedule.rate(base: 1, epoch: Double(epoch), epochs: epochs)
      try batches(epoch) { images, labels in
        guard trial.divergedIn == nil else { return }
        let loss = try learner.learn(
          images, labels, backboneRate: scaled(backboneRate) * factor,
          classifierRate: scaled(classifierRate) * factor)
        trial.note(loss: loss, epoch: epoch)
      }
      let loss = trial.takeMeanLoss()
      let isDue = (epoch + 1) % testEvery == 0 || epoch + 1 == epochs
      guard trial.divergedIn == nil, isDue else { continue }
      network.train(false)
      trial.note(try learner.isFinite ? test() : nil, epoch: epoch, loss: loss)
      progress(trial)
    }
    return trial
  }
}

/// A network of backbone and classifier, with an optimizer for each.
private struct FineTuner {
  private let network: Module
  private let device: Device
  private let backbone: SGD
  private let classifier: SGD

  init(_ network: Module, momentum: Double, weightDecay: Double) {
    let parameters = network.namedParameters
    // The last layer's names in torchvision and timm.
    func isClassifier(_ name: String) -> Bool { name.hasPrefix("fc.") || name.hasPrefix("head.") }
    let own = parameters.filter { isClassifier($0.name) }.map(\.tensor)
    let others = parameters.filter { !isClassifier($0.name) }.map(\.tensor)
    precondition(
      !own.isEmpty && !others.isEmpty, "\(own.count) of \(parameters.count) parameters are fc.… or head.…")
    self.network = network
    device = own[0].device
    backbone = SGD(others, momentum: momentum, weightDecay: weightDecay)
    classifier = SGD(own, momentum: momentum, weightDecay: weightDecay)
  }

  /// One step. Returns the loss before it; if that is not finite, no weight changes.
  func learn(_ images: Tensor, _ labels: [Int], backboneRate: Double, classifierRate: Double) throws -> Double
  {
    try withTorchErrors {
      let loss = crossEntropy(network(images), Tensor(labels, on: device))
      let value = loss.item()
      if value.isFinite {
        loss.backward()
        backbone.step(learningRate: backboneRate)
        classifier.step(learningRate: classifierRate)
      }
      return value
    }
  }

  var isFinite: Bool {
    get throws {
      try withTorchErrors {
        network.state.allSatisfy { !$0.tensor.dtype.isFloatingPoint || $0.tensor.isAllFinite() }
      }
    }
  }
}
