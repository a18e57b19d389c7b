import Torch

/// Classification with every weight learning, from few labels or all: what an encoder is worth as a start.
///
/// The paper gives no rates for it. The defaults are this project's own: rates in the ratio of 1 to 10, because
/// the classifier begins at nothing and the backbone does not, and a cosine to 0.
package struct FineTuneProtocol: Equatable, Sendable {
  package var epochs = 50
  /// Images a step.
  package var batchSize = 64
  /// SGD's.
  package var momentum = 0.9
  package var weightDecay = 1e-4
  /// Of both learning rates, epoch by epoch.
  package var schedule = Schedule.cosine
  /// The backbone's learning rate at a batch of 256; another batch scales it, see ``scaled(_:)``.
  package var backboneRate = 0.1
  /// The classifier's.
  package var classifierRate = 1.0
  /// Epochs from one test to the next; the last epoch has one in any case.
  package var testEvery = 5
  /// Of the classifier's first weights, the order of the images and the choice of labels.
  package var seed: UInt64 = 1

  package init() {}

  /// A learning rate at this batch: linear in its size (Goyal et al. 2017).
  package func scaled(_ rate: Double) -> Double { rate * Double(batchSize) / 256 }

  /// Trains backbone and classifier together and tests them. It ends where a loss or weights become infinite or NaN.
  ///
  /// The network is in training mode for a batch and in evaluation mode for a test and afterwards.
  /// - Parameters:
  ///   - network: N×3×H×W → N×C logits; the parameters of its classifier are named `fc.…`.
  ///   - batches: hands an epoch's (from 0) images N×3×H×W and labels, batch by batch, to its second argument.
  ///   - test: scores the network; nil where its logits are no numbers.
  ///   - progress: called after each test.
  /// - Throws: `TorchError`, and what `batches` and `test` throw.
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

/// A network of backbone and classifier, and an optimizer for each.
private struct FineTuner {
  private let network: Module
  private let device: Device
  private let backbone: SGD
  private let classifier: SGD

  init(_ network: Module, momentum: Double, weightDecay: Double) {
    let parameters = network.namedParameters
    // torchvision's and timm's names of the last layer.
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

  /// One step. Returns the loss before it; where that is no number, no weight moves.
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
