import Methods

extension RunConfig {
  /// The numbers for descriptions of the method.
  /// - Parameters:
  ///   - images: The number of images in the data set.
  ///   - ranks: The number of processes that train together.
  package func facts(images: Int, ranks: Int) -> RunFacts {
    RunFacts(
      images: images, batchSize: self.batchSize, passSize: self.batchSize / self.accumulate, lr: self.lr,
      ranks: ranks)
  }

  /// The expected loss of the method.
  package func expectedLoss(images: Int = .max, ranks: Int = 1) -> ExpectedLoss {
    kind.expectedLoss(self, facts(images: images, ranks: ranks))
  }

  /// Method, network, head and settings in a line.
  /// - Parameter images: The number of images in the data set; a memory bank has a row for each.
  package func networkSummary(images: Int) -> String {
    let stem = (self.stem ?? self.arch.defaultStem).rawValue
    let parts = [
      "\(self.method.rawValue) with \(self.arch.rawValue), \(stem) stem", kind.head(self).summary,
      kind.summary(self, facts(images: images, ranks: 1)),
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "; ")
  }

  /// Warnings about legal but risky settings.
  package func warnings(images: Int, ranks: Int) -> [String] {
    kind.warnings(self, facts(images: images, ranks: ranks))
  }
}
