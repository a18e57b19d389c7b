import Data
import Files
import Methods
import Models

/// Raises an error for numbers of threads above any machine's cores.
package func checkWorkers(_ workers: Int?) throws {
  var config = RunConfig()
  config.workers = workers
  if let problem = RunKeys.table.workers.problem(in: config) { throw UsageError(problem) }
}

extension RunConfig {
  /// Raises an error for invalid values, each in one line with the option's name.
  /// - Parameter ranks: The number of processes that train together.
  package func validate(ranks: Int = 1) throws {
    try checkRanges()
    try validateNetwork()
    try validateMethod()
    try validateSharing(ranks: ranks)
    try validateWarmUp()
    try validateSizes()
    if case .step = self.schedule, let minutes = self.minutes {
      throw UsageError(
        "--minutes \(minutes) with --schedule \(self.schedule.text): a schedule in steps has a length of its own. Give "
          + "--schedule cosine, or epochs such as 120,160.")
    }
    try require(
      (self.knnTrain == nil) == (self.knnTest == nil),
      "--knn-train and --knn-test belong together: give both, or neither.")
  }

  /// Raises an error for a warm-up that the run has no place for. Most users have theirs from a recipe.
  private func validateWarmUp() throws {
    guard self.warmupEpochs > 0 else { return }
    let option = "--warmup-epochs \(self.warmupEpochs) (the recipe's unless given)"
    if let reason = RunKeys.table.warmupEpochs.uselessness(in: self) {
      throw UsageError("\(option): \(reason). Give --warmup-epochs 0, or --schedule cosine.")
    }
    try require(
      self.warmupEpochs < Double(self.epochs),
      "\(option): a warm-up is shorter than the run, and --epochs is \(self.epochs). Give --warmup-epochs 0, or fewer "
        + "than \(self.epochs).")
  }

  private func validateNetwork() throws {
    let (arch, imageSize) = (self.arch, self.imageSize)
    let patch = arch.patchSize
    try require(
      imageSize.isMultiple(of: patch),
      "--image-size \(imageSize): \(arch.rawValue) cuts images into patches of \(patch) pixels; give a multiple of "
        + "\(patch).")
    guard let heads = self.heads else { return }
    try require(
      arch.isTransformer, "--heads \(heads): \(arch.rawValue) is no vision transformer and has no heads.")
    if let problem = problemOfHeads(heads, channels: arch.featureSize, of: arch.rawValue) {
      throw UsageError("--\(problem)")
    }
  }

  /// Raises an error for views that cannot grow.
  private func validateSizes() throws {
    guard let sizes = self.imageSizes else { return }
    if let reason = RunKeys.table.imageSizes.uselessness(in: self) {
      throw UsageError("--image-sizes \(sizes.text): \(reason). Leave it out.")
    }
    try require(
      sizes.all.last == self.imageSize && zip(sizes.all, sizes.all.dropFirst()).allSatisfy(<),
      "--image-sizes \(sizes.text): each is larger than the one before it, and the last is --image-size, which is "
        + "\(self.imageSize).")
    if case .step = self.schedule, self.minutes == nil {
      throw UsageError(
        "--image-sizes \(sizes.text) with --schedule \(self.schedule.text): shares of the steps need a length in epochs "
          + "or minutes. Give --schedule cosine, or epochs such as 120,160.")
    }
  }

  /// Raises an error for settings that the method does not support.
  private func validateMethod() throws {
    let (kind, name) = (self.kind, self.method.rawValue)
    try require(
      self.bnSplits == 1 || kind.keys.contains { $0 == \MethodKeys.bnSplits },
      "--bn-splits \(self.bnSplits): \(name) does not shuffle; leave it at 1, or use --sync-bn over several ranks."
    )
    try require(
      !(self.syncBN && self.bnSplits > 1),
      "--sync-bn with --bn-splits \(self.bnSplits): statistics are taken either over all ranks or in groups; choose one."
    )
    try require(
      self.mechanism == .queue || kind.mechanism != nil,
      "--mechanism \(self.mechanism.rawValue): only --method moco has a choice of mechanisms; leave it at "
        + "queue.")
    try require(
      !self.symmetric || kind.keys.contains { $0 == \MethodKeys.symmetric },
      "--symmetric: only --method moco with --mechanism queue has a choice of directions. Leave it out, or give "
        + "--no-symmetric if the recipe sets it.")
    let others = AugmentationPreset.allCases.filter { $0.count >= kind.views }.map(\.rawValue)
    try require(
      self.views.count >= kind.views,
      "--views \(self.views.rawValue): it makes one view of an image, and --method \(name) needs two. Choose one of "
        + "\(others.joined(separator: ", ")).")
    try require(
      !kind.keys.contains { $0 == \MethodKeys.exemplarWeight }
        || [self.relativePositionWeight, self.colorizationWeight, self.exemplarWeight].contains { $0 > 0 },
      "--method \(name): all its tasks are left out. Give --relative-position-weight, --colorization-weight or "
        + "--exemplar-weight above 0.")
    if kind.masksPatches { try validateMask(name) }
    guard kind.cutsImages else { return }
    try require(
      !self.arch.isTransformer,
      "--method \(name): it looks at parts of an image, which \(self.arch.rawValue) cannot. Choose a ResNet.")
    try require(
      self.imageSize >= 16,
      "--image-size \(self.imageSize): --method \(name) cuts images of at least 16 pixels.")
  }

  /// Raises an error if patches cannot be hidden.
  private func validateMask(_ name: String) throws {
    let arch = self.arch
    try require(
      arch.transformer.map { !$0.hasConvolutionalStem } ?? false,
      "--method \(name): it hides patches before the network sees them, which goes with a linear patch projection only, "
        + "not with \(arch.rawValue). Choose --arch vit_mini, vit_small or vit_base.")
    let side = self.imageSize / arch.patchSize
    let (all, kept) = (side * side, PatchMask.kept(of: side * side, ratio: self.maskRatio))
    try require(
      (1..<max(1, all)).contains(kept),
      "--mask-ratio \(self.maskRatio): it keeps \(kept) of the \(all) patches of an image of \(self.imageSize) pixels; "
        + "at least one must stay and one be hidden.")
    if let problem = problemOfHeads(self.decoderHeads, channels: self.decoderDim, of: "the decoder") {
      throw UsageError("--decoder-\(problem)")
    }
  }

  /// Raises an error if the batch cannot be divided among ranks, parts and groups.
  private func validateSharing(ranks: Int) throws {
    try require(
      self.batchSize >= kind.fewestImages,
      "--batch-size \(self.batchSize): --method \(self.method.rawValue) takes at least \(kind.fewestImages) images, which "
        + "are normalised or compared together.")
    try validateGroups(ranks: ranks)
    let (batchSize, accumulate, groups) = (self.batchSize, self.accumulate, bnGroups(ranks: ranks))
    let pieces = ranks * accumulate * groups
    let text = [
      ranks > 1 ? "\(ranks) ranks" : nil, accumulate > 1 ? "\(accumulate) parts" : nil,
      groups > 1 ? "\(groups) groups\(ranks > 1 ? " on each" : "")" : nil,
    ]
    .compactMap(\.self).joined(separator: " × ")
    let option = ranks > 1 || accumulate > 1 ? "--batch-size \(batchSize)" : "--bn-splits \(self.bnSplits)"
    try require(
      batchSize.isMultiple(of: pieces),
      "\(option): the batch of \(batchSize) does not divide into \(text). Use --batch-size "
        + "\(multiples(of: pieces, around: batchSize).map(String.init).joined(separator: " or ")).")
    try require(
      batchSize / pieces >= kind.fewestImages,
      "\(option): \(text) of a batch of \(batchSize) leave one image, which has no statistics; "
        + "use at least \(kind.fewestImages * pieces) images.")
  }

  /// Raises an error if the ranks cannot share the groups of batch normalisation equally.
  private func validateGroups(ranks: Int) throws {
    let groups = self.bnSplits
    guard self.bnSplitsPer == .batch, ranks < groups, !groups.isMultiple(of: ranks) else { return }
    let images = self.batchSize / self.accumulate
    let possible = stride(from: ranks, through: images / 2, by: ranks).filter { images.isMultiple(of: $0) }
    let nearest = [possible.last { $0 < groups }, possible.first { $0 > groups }].compactMap { $0 }
    let fewer = (1..<ranks).last { groups.isMultiple(of: $0) } ?? 1
    let more = (ranks...groups).first { groups.isMultiple(of: $0) } ?? groups
    let remedies =
      (nearest.isEmpty ? [] : ["--bn-splits \(nearest.map(String.init).joined(separator: " or "))"])
      + ["\(fewer) or \(more) ranks"]
    throw UsageError(
      "--bn-splits \(groups): \(ranks) ranks cannot share \(groups) groups equally. Use "
        + remedies.joined(separator: ", or ") + ".")
  }

  /// The nearest batches below and above one that divide into so many pieces of enough images.
  private func multiples(of pieces: Int, around batch: Int) -> [Int] {
    let below = batch / pieces * pieces
    let least = kind.fewestImages * pieces
    let nearest = [below, below + pieces].filter { $0 >= least }
    return nearest.isEmpty ? [least] : nearest
  }

  /// Raises an error if the data set is too small.
  /// - Parameter ranks: The number of processes that train together.
  package func validate(images: Int, ranks: Int = 1) throws {
    try require(
      self.batchSize <= images,
      "--batch-size \(self.batchSize): the data set has only \(images) images. Use "
        + "\(smallerBatch(images, ranks) ?? "a smaller batch"), or more images.")
  }

  /// The options of the largest batch that so few images fill, if need be without groups of batch normalisation; nil if
  /// the ranks and parts are too many for them.
  private func smallerBatch(_ images: Int, _ ranks: Int) -> String? {
    func largest(_ pieces: Int) -> Int? {
      let batch = images / pieces * pieces
      return batch >= kind.fewestImages * pieces ? batch : nil
    }
    let shares = ranks * self.accumulate
    if let batch = largest(shares * bnGroups(ranks: ranks)) { return "--batch-size \(batch)" }
    guard self.bnSplits > 1 else { return nil }
    return largest(shares).map { "--batch-size \($0) --bn-splits 1" }
  }

  private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw UsageError(message()) }
  }
}
