import Data
import Files
import Models
import Torch

/// Refuses numbers of threads that no machine has cores for.
package func checkWorkers(_ workers: Int?) throws {
  if let workers, !(1...1024).contains(workers) { throw UsageError("--workers \(workers): 1 to 1024.") }
}

extension RunConfig {
  /// Refuses values that cannot train, each with one line that names the option.
  /// - Parameter ranks: processes that train together.
  package func validate(ranks: Int = 1) throws {
    try validateMethod()
    try validateSharing(ranks: ranks)
    try validateRun()
  }

  private func validateMethod() throws {
    try require(
      (1...100_000_000).contains(mocoK),
      "--moco-k \(mocoK): the queue needs room for at least one key, and at most 100,000,000.")
    try require((1...65_536).contains(mocoDim), "--moco-dim \(mocoDim): a key has 1 to 65,536 dimensions.")
    try require((0..<1).contains(mocoM), "--moco-m \(mocoM): the momentum lies in [0, 1); 0.999 is usual.")
    try require(
      mocoT > 0 && mocoT <= 1000,
      "--moco-t \(mocoT): the temperature must be positive, and at most 1000; 0.07 to 0.2 is usual.")
    try require(
      (2...1_000_000).contains(batchSize),
      "--batch-size \(batchSize): batch normalisation needs at least 2 images, and a million are too many.")
    try require(
      (1...1_000_000).contains(mocoMlpDim),
      "--moco-mlp-dim \(mocoMlpDim): a hidden layer has at least 1 number.")
    try require(
      method == .moco || bnSplits == 1,
      "--bn-splits \(bnSplits): \(method.rawValue) does not shuffle; leave it at 1, or use --sync-bn over several ranks."
    )
    try validateChoice()
    // More than a batch can have would overflow before it is compared with the batch.
    try require((1...1_000_000).contains(bnSplits), "--bn-splits \(bnSplits): there is at least one group.")
    try require((1...1_000_000).contains(accumulate), "--accumulate \(accumulate): at least 1 part.")
    try require(
      !(syncBN && bnSplits > 1),
      "--sync-bn with --bn-splits \(bnSplits): statistics are taken either over all ranks or in groups; choose one."
    )
    try require((5...86_400).contains(timeout), "--timeout \(timeout): 5 seconds to a day.")
    try require(checkRanksEvery > 0, "--check-ranks-every \(checkRanksEvery): at least 1 step.")
    try require((8...8192).contains(imageSize), "--image-size \(imageSize): 8 to 8192 pixels.")
    try require(
      !arch.isTransformer || imageSize.isMultiple(of: 16),
      "--image-size \(imageSize): \(arch.rawValue) cuts images into patches of 16 pixels; give a multiple of 16."
    )
    if let heads {
      try require(
        arch.isTransformer, "--heads \(heads): \(arch.rawValue) is no vision transformer and has no heads.")
      try require(
        heads > 0 && arch.featureSize.isMultiple(of: heads),
        "--heads \(heads): the \(arch.featureSize) channels of \(arch.rawValue) do not divide into \(heads) heads."
      )
    }
    try require(
      cropScale.map { $0 > 0 && $0 <= 1 } ?? true,
      "--crop-scale \(cropScale ?? 0): a share of the image, above 0 and at most 1.")
  }

  /// Refuses what a method cannot do.
  private func validateChoice() throws {
    try require(
      mechanism == .queue || method == .moco,
      "--mechanism \(mechanism.rawValue): only --method moco has a choice of mechanisms.")
    try require(
      !symmetric || (method == .moco && mechanism == .queue),
      "--symmetric: only --method moco with --mechanism queue has a loss of one direction.")
    guard method.cutsImages else { return }
    try require(
      !arch.isTransformer,
      "--method \(method.rawValue): it looks at parts of an image, which \(arch.rawValue) cannot. Choose a ResNet."
    )
    try require(
      imageSize >= 16,
      "--image-size \(imageSize): --method \(method.rawValue) cuts images of at least 16 pixels.")
  }

  /// Refuses a batch that cannot be shared out among ranks, parts and groups.
  private func validateSharing(ranks: Int) throws {
    let pieces = ranks * accumulate * bnSplits
    let words = [
      ranks > 1 ? "\(ranks) ranks" : nil, accumulate > 1 ? "\(accumulate) parts" : nil,
      bnSplits > 1 ? "\(bnSplits) groups" : nil,
    ]
    .compactMap(\.self).joined(separator: " × ")
    let option = ranks > 1 || accumulate > 1 ? "--batch-size \(batchSize)" : "--bn-splits \(bnSplits)"
    try require(
      batchSize.isMultiple(of: pieces), "\(option): the batch of \(batchSize) does not divide into \(words).")
    try require(
      batchSize / pieces > 1,
      "\(option): \(words) of a batch of \(batchSize) leave one image, which has no statistics; "
        + "use at least \(2 * pieces) images.")
  }

  private func validateRun() throws {
    try require(
      (1...100_000_000).contains(shuffleBuffer),
      "--shuffle-buffer \(shuffleBuffer): 1 to 100,000,000 images; 4096 is usual.")
    try require(maxPixels > 0, "--max-pixels \(maxPixels): at least 1.")
    try require((1...1_000_000).contains(epochs), "--epochs \(epochs): 1 to 1,000,000.")
    try require(steps.map { $0 > 0 } ?? true, "--steps \(steps ?? 0): at least 1.")
    try require(lr > 0 && lr.isFinite, "--lr \(lr): the learning rate must be positive.")
    try require(
      (0..<1).contains(momentum), "--momentum \(momentum): the optimizer's momentum lies in [0, 1).")
    try require(
      warmupEpochs >= 0 && (warmupEpochs == 0 || schedule == .cosine && warmupEpochs < Double(epochs)),
      "--warmup-epochs \(warmupEpochs): must be fewer than the \(epochs) epochs, and goes only with --schedule cosine."
    )
    try require(wd >= 0 && wd.isFinite, "--wd \(wd): weight decay is not negative.")
    try checkWorkers(workers)
    try require(saveEvery.map { $0 > 0 } ?? true, "--save-every \(saveEvery ?? 0): at least 1 step.")
    try require(keep > 0, "--keep \(keep): at least one checkpoint stays.")
    try require(logEvery > 0, "--log-every \(logEvery): at least 1 step.")
    try require(knnEvery > 0, "--knn-every \(knnEvery): at least 1 epoch.")
    try require(knnLimit.map { $0 > 0 } ?? true, "--knn-limit \(knnLimit ?? 0): at least 1 image.")
    try require(
      (knnTrain == nil) == (knnTest == nil),
      "--knn-train and --knn-test belong together: give both, or neither.")
  }

  /// Refuses a data set that is too small.
  package func validate(images: Int) throws {
    try require(
      batchSize <= images,
      "--batch-size \(batchSize): the data set has only \(images) images. Use a smaller batch, or more images."
    )
  }

  private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw UsageError(message()) }
  }

  /// What is allowed but has cost others their runs.
  package func warnings(images: Int, ranks: Int) -> [String] {
    guard method == .moco else { return [] }
    if mechanism == .memoryBank {
      guard mocoK > images else { return [] }
      return [
        "--moco-k \(mocoK): with \(images) images every row is drawn more than once a step, an image's own among them. "
          + "Fewer are enough."
      ]
    }
    var found: [String] = []
    if !shuffleBN, bnSplits > 1 || ranks > 1, arch.hasBatchNorm {
      found.append(
        "--no-shuffle-bn: a key is normalised beside its query's neighbours. Batch statistics can give it away: the "
          + "contrast is won while the features get worse.")
    }
    if bnSplits == 1, ranks == 1, arch.hasBatchNorm {
      found.append(
        "--bn-splits 1: on one device ShuffleBN does nothing without splits. Batch statistics can then give the "
          + "positive key away: the contrast is won while the features get worse. Try --bn-splits 8.")
    }
    let keysPerImage = symmetric ? 2 : 1
    let most = keysPerImage * max(1, images - batchSize)
    if mechanism == .queue, mocoK > most {
      found.append(
        "--moco-k \(mocoK): with \(images) images the queue holds images' own older keys as negatives. "
          + "At most \(most) keeps that rare; small sets do well with --moco-k \(min(4096, most)) --moco-m 0.99."
      )
    }
    return found
  }
}
