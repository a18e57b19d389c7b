import Data
import Models
import Torch

/// A network of backbone and classifier while it learns, with an optimizer for each group of parameters.
struct FineTuner {
  private let network: ImageEncoder
  private let settings: FineTuneProtocol
  private let classes: Int
  private let device: Device
  private let groups: [(group: ParameterGroup, optimizer: any Optimizer)]

  init(_ network: ImageEncoder, _ settings: FineTuneProtocol, classes: Int) {
    (self.network, self.settings, self.classes) = (network, settings, classes)
    if settings.batchNorm == .frozen {
      network.backbone.modules.filter { $0 is any BatchNormLayer }.forEach { $0.freeze() }
    }
    network.setDropPath(rate: settings.dropPath)
    groups = ParameterGroup.all(
      of: network, layerDecay: settings.layerDecay, decaysAll: settings.decaysAll
    ).map { ($0, settings.makeOptimizer($0)) }
    device = groups[0].group.tensors[0].device
  }

  /// Sets the mode of training.
  func train() {
    network.train()
    guard settings.batchNorm == .frozen else { return }
    for module in network.backbone.modules where module is any BatchNormLayer { module.train(false) }
  }

  /// One step. Returns the loss before it; if that is not finite, no weight changes.
  func learn(_ batch: LabelledBatch, epoch: Int, progress: Double) throws -> Double {
    try withTorchErrors {
      let loss = loss(batch, epoch: epoch)
      let value = loss.item()
      if value.isFinite {
        loss.backward()
        for (group, optimizer) in groups {
          let base = group.isClassifier ? settings.classifierRate : settings.backboneRate
          let rate = settings.rate(base, epoch: epoch, progress: progress)
          optimizer.step(learningRate: rate * group.rateScale)
        }
      }
      return value
    }
  }

  /// The loss of a batch with its random draws: boxes erased, images mixed, branches left out.
  private func loss(_ batch: LabelledBatch, epoch: Int) -> Tensor {
    let (images, seed) = (batch.images, settings.seed)
    settings.erasing.apply(to: images, seed: seed, epoch: epoch, samples: batch.samples)
    let shape = images.shape
    guard shape.count == 4 else { return images }  // undefined after an error, which withTorchErrors reports
    let mixing = settings.mixup.mixing(
      seed: seed, epoch: epoch, batch: batch.index, height: shape[2], width: shape[3])
    mixing.apply(to: images)
    if settings.dropPath > 0 { network.drawDropPaths(seed: seed, epoch: epoch, samples: batch.samples) }
    let outputs = withPrecision(settings.precision, on: device) { network(images) }  // N×C
    let logits = outputs.dtype == .bfloat16 ? outputs.to(.float32) : outputs
    guard settings.labelSmoothing > 0 || settings.mixup.isActive else {
      return crossEntropy(logits, Tensor(batch.labels, on: device))
    }
    let targets = mixing.targets(
      batch.labels, classes: classes, smoothing: settings.labelSmoothing, on: device)  // N×C
    return softTargetCrossEntropy(logits, targets)
  }

  // MARK: - State

  /// The number of steps so far.
  var steps: Int { groups[0].optimizer.steps }

  var modelState: [(name: String, tensor: Tensor)] { network.state.map { ($0.name, $0.tensor) } }

  /// The optimizers' state, with the names of their parameters.
  var optimizerState: [(name: String, tensor: Tensor)] {
    groups.flatMap { group, optimizer in optimizer.state(named: group.names) }
  }

  /// Continues after `steps` steps, with the tensors of ``optimizerState`` restored in place.
  func restore(steps: Int) { for (_, optimizer) in groups { optimizer.restore(steps: steps) } }

  var isFinite: Bool {
    get throws {
      try withTorchErrors {
        network.state.allSatisfy { !$0.tensor.dtype.isFloatingPoint || $0.tensor.isAllFinite() }
      }
    }
  }
}

extension FineTuneProtocol {
  fileprivate func makeOptimizer(_ group: ParameterGroup) -> any Torch.Optimizer {
    let decay = group.isDecayed ? weightDecay : 0
    return switch optimizer {
    case .sgd: SGD(group.tensors, momentum: momentum, weightDecay: decay)
    case .adamw: AdamW(group.tensors, weightDecay: decay)
    }
  }
}
