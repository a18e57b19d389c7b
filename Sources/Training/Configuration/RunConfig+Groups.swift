import Methods
import Models

extension RunConfig {
  /// The number of groups and their size, compared with the published runs; nil for a method or a network
  /// without groups.
  package func normalizationSummary(ranks: Int) -> String? {
    guard self.arch.hasBatchNorm, kind.keys.contains(\MethodKeys.bnSplits) else { return nil }
    let images = self.batchSize / self.accumulate
    if self.syncBN { return "all \(images) images are normalised together" }
    let groups = bnGroups(ranks: ranks) * ranks
    let size = images / groups
    var text = "batch normalisation in \(groups) group\(groups == 1 ? "" : "s") of \(size) images"
    if self.accumulate > 1 { text += " in each of \(self.accumulate) parts" }
    if self.bnSplitsPer == .rank, ranks > 1, self.bnSplits > 1 {
      text += ", \(self.bnSplits) on each rank"
    }
    let published = PublishedGroups.all(stem: self.stem ?? self.arch.defaultStem)
    if let same = published.first(where: { ($0.groups, $0.images) == (groups, size) }) {
      return "\(text), as \(same.run)"
    }
    let others = published.map { "\($0.run) has \($0.groups) of \($0.images)" }
    return "\(text); \(others.joined(separator: ", "))"
  }
}

/// The groups of a published run: one a GPU.
private struct PublishedGroups {
  let run: String
  let groups: Int
  let images: Int

  static func all(stem: Stem) -> [PublishedGroups] {
    switch stem {
    case .cifar: [.init(run: "the published demonstration on CIFAR-10", groups: 8, images: 64)]
    case .imageNet:
      [
        .init(run: "the paper on ImageNet", groups: 8, images: 32),
        .init(run: "the paper on Instagram-1B", groups: 64, images: 16),
      ]
    }
  }
}
