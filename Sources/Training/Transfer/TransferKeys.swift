import Data
import Methods
import Models
import Torch

/// The keys of every task's training: first weights, images, optimization, machine and run folder.
package struct TransferKeys<Config: TransferConfig>: Sendable {
  package typealias Key<Value: KeyValue> = ConfigKey<Config, Value>

  package init() {}

  // First weights.
  package let initFile = Key(
    "init", String?.none,
    "Weights to start from, in place of CHECKPOINT: a run, a checkpoint, or a file that `moco import` reads; random ones if "
      + "it is the word random.", "weights")
  package let initDigest = Key(
    "init-digest", String?.none,
    "Checksum of the file of --init, which the program notes. Where it is given, another file is refused.",
    "digest", changesResult: false)
  package let carriedFrom = Key(
    "carried-from", String?.none,
    "The run that this one goes on from, as --resume named it; the program notes it.", "path",
    changesResult: false)

  // Images.
  package let maxBad = Key<Fraction>.maxBad
  package let maxPixels = Key<Int>.maxPixels
  package let exifOrientation = Key(
    "exif-orientation", true, "Turn photos upright by their EXIF tag, as the published code does.")

  // Optimization.
  package let steps = Key(
    "steps", 90_000, "Updates of the whole run. The fall of the learning rate does not depend on them.", "n",
    allowed: { (1...1_000_000_000).contains($0) }, else: "1 to 1,000,000,000.", changesResult: false)
  package let batchSize = Key(
    "batch-size", 16, "Images of a step, of all ranks together.", "n",
    allowed: { (1...100_000).contains($0) },
    else: "1 to 100,000.")
  package let lr = Key(
    "lr", 0.02, "Learning rate behind the warm-up.", "rate", allowed: { $0 > 0 && $0.isFinite },
    else: "the learning rate must be positive and finite.")
  package let decayAt = Key(
    "decay-at", KeyList<Int>([]), "Steps from which on the learning rate is multiplied by --gamma once more.",
    "n", allowed: { $0.all == $0.all.sorted() && $0.all.allSatisfy { $0 > 0 } },
    else: "rising numbers of 1 or more.")
  package let gamma = Key(
    "gamma", 0.1, "The factor by which the learning rate falls.", "factor", allowed: { $0 > 0 && $0 <= 1 },
    else: "above 0 and at most 1.")
  package let warmupSteps = Key(
    "warmup-steps", 1000, "Steps in which the learning rate rises.", "n",
    allowed: { (0...1_000_000_000).contains($0) }, else: "0 or more.")
  package let warmupFactor = Key(
    "warmup-factor", 0.001, "The share of the learning rate in the first step.", "fraction",
    allowed: { (0...1).contains($0) }, else: "0 to 1.")
  package let momentum = Key(
    "momentum", 0.9, "The optimizer's momentum.", "m", allowed: { (0..<1).contains($0) },
    else: "the optimizer's momentum lies in [0, 1).")
  package let wd = Key(
    "wd", 1e-4,
    Config.decaysNorms
      ? "Weight decay, of all weights and biases."
      : "Weight decay, of all but normalisations' weights and biases.", "decay",
    allowed: { $0 >= 0 && $0.isFinite }, else: "weight decay is finite and not negative.")
  package let preciseBN = Key(
    "precise-bn", 200,
    "Batches of training that batch normalisation's statistics are taken of before each test; 0 keeps the running ones.",
    "n", allowed: { (0...100_000).contains($0) }, else: "0 to 100,000.")
  package let precision = Key<Precision>.precision
  package let tf32 = Key<Bool>.tf32
  package let seed = Key<UInt64>.seed

  // The machine and the run folder.
  package let device = Key<DeviceChoice>.device
  package let workers = Key<Int?>.workers
  package let timeout = Key<Int>.timeout
  package let testEvery = Key(
    "test-every", Int?.none, "Steps between tests; unless given, only the end is tested.", "n",
    allowed: { ($0 ?? 1) > 0 }, else: "at least 1 step.", changesResult: false)
  package let saveEvery = Key(
    "save-every", Int?.none, "Steps between checkpoints; every ten minutes unless given.", "n",
    allowed: { ($0 ?? 1) > 0 }, else: "at least 1 step.", changesResult: false)
  package let onUSR1 = Key<SaveRequest>.onUSR1
  package let keep = Key<Int>.keep
  package let logEvery = Key<Int>.logEvery

  /// Keys of the first weights, which come before a task's own.
  private static var first: Int { 3 }

  /// These keys and a task's own, in the order of the YAML file.
  static func all(with table: any Sendable) -> [any KeyOf<Config>] {
    func keys(_ table: Any) -> [any KeyOf<Config>] {
      Mirror(reflecting: table).children.compactMap { $0.value as? any KeyOf<Config> }
    }
    let shared = keys(TransferKeys<Config>())
    return Array(shared.prefix(first)) + keys(table) + shared.dropFirst(first)
  }
}

// Keys of networks on a backbone.

extension ConfigKey where Value == Architecture {
  /// - Parameter choices: The networks that can be one; all unless given.
  static func backbone(_ choices: [Architecture] = Architecture.allCases) -> Self {
    Self("arch", .resnet50, "Network of the backbone.", "name", choices: choices.map(\.rawValue))
  }
}

extension ConfigKey where Value == DetectorSpec.Norm {
  static func norm(_ fallback: DetectorSpec.Norm) -> Self {
    Self(
      "norm", fallback,
      "Batch normalisation: plain (each rank's batch alone), sync (all ranks' values together), naive-sync (the mean of the "
        + "ranks' statistics, as published), or frozen. With one process the first three are the same.")
  }
}

extension ConfigKey where Value == Int {
  static var freezeAt: Self {
    Self(
      "freeze-at", 0,
      "The stem and stages that do not learn: 0 none, 1 the stem, 2 the stem and conv2, … 5 all.",
      "n", allowed: { (0...5).contains($0) }, else: "0 to 5.")
  }
}

extension ConfigKey where Value == Double {
  static var flip: Self {
    Self(
      "flip", 0.5, "The chance that an image is mirrored.", "fraction", allowed: { (0...1).contains($0) },
      else: "0 to 1.")
  }
}

extension ConfigKey where Value == Fraction {
  static var maxLeftOut: Self {
    Self(
      "max-left-out", Fraction(value: 0.5),
      "Stop when annotations with faults leave out more than this of the objects or images, as 50%.", "share",
      changesResult: false)
  }
}
