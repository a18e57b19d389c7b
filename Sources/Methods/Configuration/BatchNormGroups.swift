import Torch

/// The groups of batch normalisation of a run (He et al. 2020, section 3.3): each is normalised by itself, as if
/// it lay on a device of its own.
extension RunConfig {
  /// The groups of a rank's images in a pass. If there are more ranks than `bn-splits`, each rank is a group.
  public func bnGroups(ranks: Int) -> Int {
    switch self.bnSplitsPer {
    case .batch: max(1, self.bnSplits / ranks)
    case .rank: self.bnSplits
    }
  }

  /// How ranks share a batch: in turns where the groups of the whole batch must lie on one rank each.
  public var dealing: Dealing {
    self.bnSplitsPer == .batch && self.bnSplits > 1 ? .inTurns : .consecutive
  }
}
