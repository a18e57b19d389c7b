import Data
import Distributed
import Foundation
import Images
import Methods
import Torch

/// All keys of a run, in the order of its YAML file: ``MethodKeys`` first, then these.
package struct RunKeys: Sendable {
  package static let table = RunKeys()

  // First weights.
  package let initFile = Key(
    "init", String?.none,
    "Weights to start from: a run, a checkpoint, or a file that `moco import` reads; random ones unless given.",
    "weights")
  package let initKey = Key(
    "init-key", InitialKeyEncoder.copy,
    "The key encoder's first weights: a copy of the query encoder's, or its own of the file of --init.",
    needs: Need("only a key encoder that follows, with --init, can have weights of its own") {
      $0.initFile != nil && $0.kind.hasKeyEncoder
    })
  package let initDigest = Key(
    "init-digest", String?.none,
    "Checksum of the file of --init, which the program notes. Where it is given, another file is refused.",
    "digest",
    changesResult: false, needs: Need("there is no --init") { $0.initFile != nil })
  package let carriedFrom = Key(
    "carried-from", String?.none,
    "The run that this one goes on from, as --resume named it; the program notes it.",
    "path", changesResult: false)

  // Views.
  package let views = Key("views", AugmentationPreset.v1, "Augmentations.", shortcuts: ["aug-plus": "v2"])
  package let imageSize = Key(
    "image-size", 224, "Pixels of a view's side.", "pixels", allowed: { (8...8192).contains($0) },
    else: "8 to 8192 pixels.")
  package let imageSizes = Key(
    "image-sizes", KeyList<Int>?.none,
    "Sides of views that grow, as 16,24,32: each for an equal share of the steps, the last is --image-size.",
    "pixels",
    allowed: { $0?.all.allSatisfy { (8...8192).contains($0) } ?? true }, else: "8 to 8192 pixels each.",
    needs: Need("only residual networks, and methods that do not cut images, take views of several sizes") {
      !$0.arch.isTransformer && !$0.kind.cutsImages
    })
  package let cropScale = Key(
    "crop-scale", Double?.none,
    "The smallest share of the image that a crop takes; the views' own unless given.",
    "fraction", allowed: { ($0 ?? 1) > 0 && ($0 ?? 1) <= 1 },
    else: "a share of the image, above 0 and at most 1.")

  // Data.
  package let maxPixels = Key<Int>.maxPixels
  package let depth = Key(
    "depth", Depth.automatic, inOlderRuns: .bits(8),
    "Levels of samples of more than 8 bits: auto (by the file's own range), 10, 12, 16 (bits in use), 8 (gray clipped "
      + "at 255, as in Pillow), or window:LO,HI.", "depth")
  package let exifOrientation = Key(
    "exif-orientation", false, "Turn photos upright by their EXIF tag; the published code does not.")
  package let imageKey = Key(
    "image-key", String?.none,
    "The field of a shard's samples that is the image, as jpg or rgb.png; unless given, the one with an image's plain "
      + "ending.", "field", allowed: { $0.map { ImageRule.fieldName($0) != nil } ?? true },
    else: "give what stands behind the first dot of a member's name, as jpg.")
  package let shuffleBuffer = Key(
    "shuffle-buffer", 4096,
    "Images of tar shards among which the next one is drawn. They are held as files in memory.", "n",
    allowed: { (1...100_000_000).contains($0) }, else: "1 to 100,000,000 images; 4096 is usual.")
  package let maxBad = Key<Fraction>.maxBad

  package let retries = Key(
    "retries", 5,
    "Times that a shard that breaks is started again, after 1, 2, 4 … seconds, before it counts as unreadable.",
    "n", allowed: { (0...1000).contains($0) }, else: "0 to 1000 times.", changesResult: false)

  // Optimization.
  package let epochs = Key(
    "epochs", 200, "Passes over the training images.", "n", allowed: { (1...1_000_000).contains($0) },
    else: "1 to 1,000,000.",
    // Within minutes they are what milestones and a warm-up are shares of.
    hasEffect: { $0.minutes == nil || $0.schedule != .cosine || $0.warmupEpochs > 0 })
  package let batchSize = Key(
    "batch-size", 256, "Images of a step, of all ranks together.", "n",
    allowed: { (1...1_000_000).contains($0) }, else: "1 to 1,000,000 images.")
  package let accumulate = Key(
    "accumulate", 1,
    "Parts of a rank's batch that go through the network one after the other, for less memory.", "n",
    allowed: { (1...1_000_000).contains($0) }, else: "at least 1 part.")
  package let optimizer = Key("optimizer", OptimizerChoice.sgd, "The optimizer.")
  package let lr = Key(
    "lr", 0.03, "Learning rate at the start.", "rate", allowed: { $0 > 0 && $0.isFinite },
    else: "the learning rate must be positive and finite.")
  package let momentum = Key(
    "momentum", 0.9, "The optimizer's momentum.", "m", allowed: { (0..<1).contains($0) },
    else: "the optimizer's momentum lies in [0, 1).",
    needs: Need("the optimizer adamw has no momentum") { $0.optimizer != .adamw })
  package let wd = Key(
    "wd", 1e-4, "Weight decay.", "decay", allowed: { $0 >= 0 && $0.isFinite },
    else: "weight decay is finite and not negative.")
  package let schedule = Key(
    "schedule", Schedule.milestones([120, 160]),
    "Learning rate: cosine; the epochs at which it falls to a tenth, as 120,160; or a factor and the steps after which it "
      + "is multiplied by it, again and again, as 0.9x62500.",
    "schedule",
    allowed: {
      if case .step(let factor, let every) = $0 { factor > 0 && factor <= 1 && every > 0 } else { true }
    },
    else: "a factor above 0 and at most 1, and at least 1 step, as 0.9x62500.", shortcuts: ["cos": "cosine"])
  package let warmupEpochs = Key(
    "warmup-epochs", 0.0, "Epochs in which the learning rate rises from 0, in every step.", "n",
    allowed: { $0 >= 0 && $0.isFinite }, else: "a finite number, at least 0.",
    needs: Need("a warm-up goes only with --schedule cosine") { $0.schedule == .cosine })
  package let precision = Key<Precision>.precision
  package let tf32 = Key<Bool>.tf32
  package let steps = Key(
    "steps", Int?.none,
    "Stop after n steps, even if --epochs is larger; with a --schedule in steps, whatever --epochs is.", "n",
    allowed: { ($0 ?? 1) > 0 },
    else: "at least 1.", changesResult: false)
  package let minutes = Key(
    "minutes", Double?.none,
    "Minutes of the whole run, instead of --epochs and --steps: the first steps are measured, and the number of steps "
      + "and the schedule follow from them.", "n",
    allowed: { ($0 ?? 1) > 0 && ($0 ?? 1) <= 1_000_000 }, else: "above 0, and at most 1,000,000.")
  package let seed = Key<UInt64>.seed

  // The machine. None of these changes the computation; a GPU's graph may sum in another order.
  package let device = Key<DeviceChoice>.device
  package let workers = Key<Int?>.workers
  package let cache = Key(
    "cache", CacheChoice.none,
    "Keep decoded images: none, or memory (up to half of the machine's). For small sets; changes no result.",
    changesResult: false)
  package let cudaGraph = Key(
    "cuda-graph", true, "Capture a GPU's step once and replay it as a CUDA graph, where that is sound.",
    changesResult: false)
  package let timeout = Key<Int>.timeout
  package let checkRanksEvery = Key(
    "check-ranks-every", 1000, "Steps between comparisons of the ranks' weights and dictionaries.", "n",
    allowed: { $0 > 0 }, else: "at least 1 step.", changesResult: false)

  // The run folder.
  package let saveEvery = Key(
    "save-every", Int?.none,
    "Steps between checkpoints; unless given, each epoch's end and every ten minutes.", "n",
    allowed: { ($0 ?? 1) > 0 }, else: "at least 1 step.", changesResult: false)
  package let onUSR1 = Key<SaveRequest>.onUSR1
  package let keep = Key<Int>.keep
  package let logEvery = Key<Int>.logEvery

  // The kNN monitor.
  package let knnTrain = Key(
    "knn-train", String?.none, "Labelled images to measure kNN with while training.", "data",
    changesResult: false)
  package let knnTest = Key(
    "knn-test", String?.none, "Labelled images to measure kNN on.", "data", changesResult: false)
  package let knnEvery = Key(
    "knn-every", 1, "Epochs between measurements.", "n", allowed: { $0 > 0 }, else: "at least 1 epoch.",
    changesResult: false)
  package let knnLimit = Key(
    "knn-limit", Int?.none, "At most so many images of each set, evenly spaced; all unless given.", "n",
    allowed: { ($0 ?? 1) > 0 }, else: "at least 1 image.", changesResult: false)
}

/// The source of a key encoder's first weights where a run starts from given ones.
package enum InitialKeyEncoder: String, KeyValue, CaseIterable {
  /// The query encoder.
  case copy
  /// The key encoder in the file.
  case file
}

/// The optimizer.
package enum OptimizerChoice: String, KeyValue, CaseIterable {
  case sgd, lars, adamw
}

/// The effect of SIGUSR1 and SIGUSR2.
package enum SaveRequest: String, KeyValue, CaseIterable {
  /// Save after the step, and go on.
  case save
  /// Save after the step, and end.
  case stop

  /// Whether a run ends by this signal, after saving.
  func endsRun(_ signal: Int32) -> Bool {
    !StopRequest.isForSave(signal) || signal != SIGCONT && self == .stop
  }

  /// Whether this rank has received a signal that ends the run.
  func endsRunNow() -> Bool { StopRequest.pending.map(endsRun) ?? false }
}

/// The storage of decoded images.
package enum CacheChoice: String, KeyValue, CaseIterable {
  case none
  /// In the GPU's memory if training is on a GPU and the images have one size and at most 4 GB; else in the
  /// machine's, up to half of it.
  case memory
}

extension AugmentationPreset: KeyValue {}
extension Schedule: KeyValue { public static var takesList: Bool { true } }
extension Depth: KeyValue {}
extension Fraction: KeyValue { public static var form: String { "a share such as 5% or 0.05" } }
