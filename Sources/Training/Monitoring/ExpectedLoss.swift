import Files
import Methods

// What the loss of each method starts from and goes to.

extension RunConfig {
  /// How many keys a query is compared with, its own not counted; nothing for methods that compare with none.
  package var negatives: Int? {
    let together = batchSize / accumulate  // images of one forward pass, of all ranks
    return switch (method, mechanism) {
    case (.moco, .queue), (.moco, .memoryBank): mocoK
    case (.moco, .endToEnd), (.mocoV3, _): together - 1
    case (.simCLR, _): 2 * together - 2
    default: nil
    }
  }

  /// The loss of a guess where every answer is as likely as any other, and the formula.
  package var guess: (loss: Double, formula: String)? {
    if let negatives {
      let loss = lossScale * InfoNCE.chanceLoss(negatives: negatives)
      return switch (method, mechanism) {
      case (.mocoV3, _): (loss, "2·2τ·log(N)")
      case (.simCLR, _): (loss, "log(2N−1)")
      case (_, .endToEnd): (loss, "log(N)")
      default: (loss, "\(symmetric ? "2·" : "")log(K+1)")
      }
    }
    return switch method {
    case .byol: (4, "2·‖q − z‖² of directions at right angles")
    case .simSiam: (0, "−cos of directions at right angles")
    case .rotation: (InfoNCE.chanceLoss(negatives: 3), "log(4)")
    case .jigsaw: (InfoNCE.chanceLoss(negatives: Jigsaw.permutations.count - 1), "log(72)")
    case .relativePosition: (InfoNCE.chanceLoss(negatives: 7), "log(8)")
    // Depends on the images' number, or on the rank's share of the batch.
    default: nil
    }
  }

  /// About as low as the loss goes: negatives spread evenly. Nothing where the temperature is too small for a Double.
  package var uniformLoss: Double? {
    let loss = negatives.map {
      lossScale * InfoNCE.uniformLoss(negatives: $0, dimension: mocoDim, temperature: mocoT)
    }
    return loss.flatMap { $0.isFinite ? $0 : nil }
  }

  /// Two directions where MoCo's loss is symmetric; v3 multiplies by 2τ as well.
  private var lossScale: Double {
    switch method {
    case .moco: symmetric ? 2 : 1
    case .mocoV3: 2 * 2 * mocoT
    default: 1
    }
  }

  /// What the loss is expected to do.
  package var expectedLoss: String {
    if method == .instDisc {
      return "the loss starts low, rises while random rows become features (an epoch or two), then falls."
    }
    guard let guess else { return "the loss falls from its start." }
    let words = "loss of a guess: \(guess.formula) = \(fixed(guess.loss, 2))"
    if method == .moco, mechanism == .memoryBank {
      return
        "\(words). It starts above, rises while random rows become features (an epoch or two), then falls."
    }
    guard method == .moco, mechanism == .queue else {
      return words + (guess.formula.contains("N") ? "; N is the batch." : "")
    }
    let filling = (mocoK + batchSize * (symmetric ? 2 : 1) - 1) / (batchSize * (symmetric ? 2 : 1))
    let time = "\(filling) step\(filling == 1 ? "" : "s")"
    return "\(words). It starts below, rises while the queue fills (\(time)), then falls."
  }
}
