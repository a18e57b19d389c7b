import Methods
import Testing
import Torch
@testable import Training

@Suite struct ShortcutDetectorTests {
  private func config(_ change: (inout RunConfig) -> Void = { _ in }) -> RunConfig {
    var config = RunConfig()
    config.bnSplits = 4
    change(&config)
    return config
  }

  /// What is said after measurements of kNN, each with the accuracy of the steps before it.
  private func told(_ course: [(accuracy: Double?, knn: Double)], _ config: RunConfig, ranks: Int = 1)
    -> [String]
  {
    var watch = ShortcutDetector()
    return course.compactMap { accuracy, knn in
      for _ in 0..<3 { watch.note(accuracy) }
      return watch.warning(knn: knn, config, ranks: ranks)
    }
  }

  @Test func aContrastThatIsWonWhileKNNFallsIsSaidOnceWithItsProbableCause() {
    #expect(
      told([(0.4, 30), (0.98, 41), (0.997, 37), (0.997, 30)], config()) == [
        "The positive key is found in 99.7 % of the cases while kNN fell from 41.0 to 37.0 %: batch normalisation may "
          + "give it away. Try more --bn-splits (now 4)."
      ])
    #expect(
      told([(0.98, 41), (0.98, 30), (0.98, 42), (0.98, 30)], config()).count == 2, "after a new best again")
  }

  @Test func whatIsNoLeakIsNotSaid() {
    #expect(told([(0.98, 41), (0.99, 39.5)], config()).isEmpty, "noise of kNN")
    #expect(told([(0.5, 41), (0.7, 30)], config()).isEmpty, "a contrast that is not won")
    #expect(told([(0.999, 41), (0.96, 30)], config()).isEmpty, "a contrast that falls as well")
    #expect(told([(nil, 41), (nil, 30)], config { $0.method = "byol" }).isEmpty, "nothing is looked up")
  }

  /// Every way to train that looks answers up, and the advice that it can take.
  @Test func theCauseFitsTheMethod() {
    func cause(ranks: Int = 1, _ change: (inout RunConfig) -> Void) -> String {
      let all = told([(0.99, 41), (0.995, 30)], config(change), ranks: ranks)
      #expect(all.count == 1)
      return all.joined().components(separatedBy: "30.0 %: ").last ?? ""
    }
    let byHeart =
      "the network rather memorises its images. Try stronger --views or a lower --lr (now 0.03)."
    let bank =
      "the rows of the bank were made in other batches, so that batch normalisation cannot give them away; "
      + byHeart
    let shortcut =
      "all keys are normalised in one batch, which distinguishes none; a shortcut such as colour is more likely. Try "
      + "stronger --views, or more negatives by a larger --batch-size (now 256)."
    let ranksApart =
      "each rank normalises its images by itself, which may distinguish the keys of other ranks. Try --sync-bn."
    #expect(
      cause(ranks: 4) { ($0.bnSplits, $0.syncBN) = (1, true) }
        == "batch normalisation may give it away. Leave --sync-bn off and give --bn-splits (8 is usual), so that keys "
        + "are normalised beside other images than their queries.")
    #expect(
      cause { $0.shuffleBN = false }
        == "batch normalisation may give it away. Leave --no-shuffle-bn out, so that keys are normalised beside other "
        + "images than their queries.")
    #expect(
      cause { ($0.bnSplits, $0.shuffleBN) = (1, false) }
        == "batch normalisation may give it away. Leave --no-shuffle-bn out and give --bn-splits (8 is usual), so that "
        + "keys are normalised beside other images than their queries.")
    #expect(
      cause { $0.mechanism = .endToEnd }
        == "batch normalisation may give it away. Try more --bn-splits (now 4).")
    #expect(
      cause { $0.arch = .vitSmall }
        == "vit_small has no batch normalisation that could give it away; " + byHeart)
    #expect(cause { $0.mechanism = .memoryBank } == bank)
    #expect(cause { $0.method = "instdisc" } == bank)
    #expect(cause { $0.method = "local-agg" } == bank)
    #expect(cause { $0.method = "simclr" } == shortcut)
    #expect(cause(ranks: 2) { $0.method = "simclr" } == ranksApart)
    #expect(cause(ranks: 2) { ($0.method, $0.syncBN) = ("moco-v3", true) } == shortcut)
    #expect(
      cause(ranks: 2) { $0.method = "cpc" }
        == "patches of an image are normalised together, which may reveal their image. Try a larger --batch-size (now "
        + "256) and --sync-bn.")
  }

  @Test func aTaskThatIsAnsweredWhileKNNFallsIsSaidOfAnyAccuracy() {
    #expect(
      told([(0.6, 41), (0.7, 38)], config { $0.method = "rotation" }) == [
        "The task is answered right in 70.0 % of the cases while kNN fell from 41.0 to 38.0 %: the last layers serve "
          + "the task alone, or it has a shortcut. An earlier layer may be better: moco knn --layer layer2."
      ])
  }

  // MARK: - The queue

  /// Queries along axes, and a queue whose neighbours have this cosine.
  private func found(similarity: Double, queriesDiffer: Bool = true) -> Diagnostics {
    let queries =
      queriesDiffer
      ? Tensor((0..<64).map { $0 % 9 == 0 ? 1.0 : 0 }, shape: [8, 8]) : .full(0.125.squareRoot(), [8, 8])
    var found = Diagnostics(queries: queries, keys: queries)
    let other = (1 - similarity * similarity).squareRoot()
    found.observe(queue: Tensor([1, 0, similarity, other], shape: [2, 2]), steps: 2, keysPerStep: 1)
    return found
  }

  private func told(_ found: Diagnostics, queries: Int = 8, firstStep: Int = 1000, _ config: RunConfig)
    -> [String]
  {
    var watch = ShortcutDetector()
    return (0..<100).compactMap {
      watch.warning(found, queries: queries, step: firstStep + $0, config, ranks: 1)
    }
  }

  @Test func keysOfABatchThatAreAlikeAreSaidOnce() {
    let quick = config { $0.mocoM = 0.99 }
    #expect(
      told(found(similarity: 0.97), quick) == [
        "Neighbouring keys in the queue, which are of one batch, hardly differ (mean cosine 0.97) although queries do "
          + "(uniformity -4.00): batch normalisation may give it away. Try more --bn-splits (now 4)."
      ])
  }

  @Test func keysThatDifferOrCollapsedOrHaveHardlyMovedAreNotSaidToBeMarked() {
    let quick = config { $0.mocoM = 0.99 }
    #expect(told(found(similarity: 0.9), quick).isEmpty)
    #expect(told(found(similarity: 0.97, queriesDiffer: false), quick).isEmpty, "that is a collapse")
    #expect(told(found(similarity: 0.97), queries: 7, quick).isEmpty, "a handful")
    #expect(told(found(similarity: 0.97), config { $0.mocoM = 0.9999 }).isEmpty, "the key encoder's start")
  }
}
