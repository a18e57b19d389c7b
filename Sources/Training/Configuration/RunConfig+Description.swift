import Files
import Methods
import Models

extension RunConfig {
  /// The numbers that descriptions of the method name.
  /// - Parameters:
  ///   - images: of the data set.
  ///   - ranks: processes that train together.
  package func facts(images: Int, ranks: Int) -> RunFacts {
    RunFacts(
      images: images, batchSize: self.batchSize, passSize: self.batchSize / self.accumulate, lr: self.lr,
      ranks: ranks)
  }

  /// The course of the loss.
  package func expectedLoss(images: Int = .max, ranks: Int = 1) -> ExpectedLoss {
    kind.expectedLoss(self, facts(images: images, ranks: ranks))
  }

  /// Method, network, head and numbers in a line.
  /// - Parameter images: of the data set, of which a memory bank has a row each.
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
