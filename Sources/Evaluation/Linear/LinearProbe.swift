import Torch

/// One linear classifier on frozen features, with its optimizer.
package final class LinearProbe {
  /// C×D and C; initially N(0, 0.01²) and 0, as published.
  package let classifier: Linear
  private let optimizer: SGD

  /// - Parameters:
  ///   - width: D.
  ///   - classes: C.
  ///   - momentum: SGD's.
  ///   - weightDecay: SGD's.
  ///   - seed: For the weights.
  ///   - device: The device of the training.
  package init(
    width: Int, classes: Int, momentum: Double, weightDecay: Double, seed: UInt64, on device: Device
  ) {
    let classifier = Linear(width, classes, using: Generator(seed: 0))
    let weight = Tensor.normal([classes, width], deviation: 0.01, using: Generator(seed: seed))
    withNoGrad {
      classifier.weight.tensor.copy(from: weight)
      classifier.bias?.tensor.fill(0)
    }
    classifier.move(to: device)
    self.classifier = classifier
    optimizer = SGD(classifier.parameters, momentum: momentum, weightDecay: weightDecay)
  }

  /// One step on N×D features and N labels, on the device. Returns the loss before it; if that is not finite,
  /// no weight changes.
  func learn(_ features: Tensor, _ labels: Tensor, learningRate: Double) throws -> Double {
    try withTorchErrors {
      let loss = crossEntropy(classifier(features), labels)
      let value = loss.item()
      if value.isFinite {
        loss.backward()
        optimizer.step(learningRate: learningRate)
      }
      return value
    }
  }

  /// The score on test images; nil if weights are not finite.
  func score(on test: LabelledFeatures, classes: Int) throws -> ClassificationScore? {
    try withTorchErrors {
      withNoGrad {
        guard classifier.parameters.allSatisfy({ $0.isAllFinite() }) else { return nil }
        let device = classifier.weight.tensor.device
        var score = ClassificationScore(classes: classes)
        for start in stride(from: 0, to: test.count, by: 4096) {
          let rows = start..<min(start + 4096, test.count)
          let logits = classifier(test.features.narrowed(rows).to(device))
          guard logits.isAllFinite() else { return nil }
          score.add(logits: logits, labels: Array(test.labels[rows]))
        }
        return score
      }
    }
  }
}
