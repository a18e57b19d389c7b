import Data
import Methods

extension RunConfig {
  /// The numbers for descriptions of the method.
  /// - Parameters:
  ///   - images: The number of images in the data set.
  ///   - ranks: The number of processes that train together.
  package func facts(images: Int, ranks: Int) -> RunFacts {
    RunFacts(
      images: images, batchSize: self.batchSize, passSize: self.batchSize / self.accumulate, lr: self.lr,
      ranks: ranks, imageSize: self.imageSize)
  }

  /// The expected loss of the method.
  package func expectedLoss(images: Int = .max, ranks: Int = 1) -> ExpectedLoss {
    kind.expectedLoss(self, facts(images: images, ranks: ranks))
  }

  /// A sentence for a run whose loss or weights became infinite or NaN.
  package var divergenceRemedy: String {
    let weight = MoCoMAE.Settings(temperature: self.mocoT, contrastWeight: self.contrastWeight).contrastWeight
    var remedies = ["a lower --lr (now \(self.lr))"]
    if kind.keys.contains(\MethodKeys.mocoT) { remedies.append("a higher --moco-t (now \(self.mocoT))") }
    if kind.keys.contains(\MethodKeys.contrastWeight), weight > 0 {
      remedies.append("a lower --contrast-weight (now \(weight))")
    }
    return "Try \(remedies.joined(separator: " or "))."
  }

  /// Method, network, head and settings in a line.
  /// - Parameter images: The number of images in the data set; a memory bank has a row for each.
  package func networkSummary(images: Int) -> String {
    let stem = (self.stem ?? self.arch.defaultStem).rawValue
    let parts = [
      "\(self.method.rawValue) with \(self.arch.rawValue), \(stem) stem", kind.head(self)?.summary ?? "",
      kind.summary(self, facts(images: images, ranks: 1)),
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "; ")
  }

  /// Warnings about legal but risky settings.
  package func warnings(images: Int, ranks: Int) -> [String] {
    kind.warnings(self, facts(images: images, ranks: ranks)) + viewWarnings + scheduleWarnings(images: images)
  }

  /// A warning about views that are made and not used.
  private var viewWarnings: [String] {
    guard self.views.count > kind.views else { return [] }
    let fitting = AugmentationPreset.allCases.filter { $0.count == kind.views }.map(\.rawValue)
    return [
      "--views \(self.views.rawValue): it makes \(self.views.count) views of an image, and --method "
        + "\(self.method.rawValue) uses only the first. Try --views \(fitting.joined(separator: " or "))."
    ]
  }

  /// Warnings about a learning rate that would not fall as its schedule says.
  private func scheduleWarnings(images: Int) -> [String] {
    switch self.schedule {
    case .cosine: return []
    case .milestones(let milestones):
      let late = milestones.filter { $0 >= self.epochs }
      guard !late.isEmpty else { return [] }
      let effect =
        late.count == milestones.count
        ? "never falls" : "does not fall at \(late.map(String.init).joined(separator: ", "))"
      let earlier = self.epochs < 5 ? "" : "--schedule \(self.epochs * 3 / 5),\(self.epochs * 4 / 5) or "
      return [
        "--schedule \(self.schedule.text): the run has \(self.epochs) epochs, so the learning rate \(effect). "
          + "Try \(earlier)--schedule cosine."
      ]
    case .step(_, let every):
      let steps = totalSteps(images: images)
      guard every >= steps else { return [] }
      return [
        "--schedule \(self.schedule.text): the run has \(steps) steps, so the learning rate never falls. Try "
          + "--schedule cosine."
      ]
    }
  }
}
