import ArgumentParser
import Data
import Files
import Methods
import Models
import Torch
import Training

extension Architecture: ExpressibleByArgument {}
extension Stem: ExpressibleByArgument {}
extension MethodChoice: ExpressibleByArgument {}
extension Mechanism: ExpressibleByArgument {}
extension BankDevice: ExpressibleByArgument {}
extension OptimizerChoice: ExpressibleByArgument {}
extension AugmentationPreset: ExpressibleByArgument {}
extension Fraction: ExpressibleByArgument {}
extension CacheChoice: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

extension Schedule: ExpressibleByArgument {
  /// `cosine`, or epochs: `120,160`.
  package init?(argument: String) {
    if argument == "cosine" {
      self = .cosine
      return
    }
    let epochs = argument.split(separator: ",").map { Int($0) }
    guard !epochs.isEmpty, epochs.allSatisfy({ $0 != nil }) else { return nil }
    self = .milestones(epochs.compactMap { $0 })
  }
}

/// Options that override keys of the recipe; the names are the recipe's. Numbers take whatever follows them, so that a
/// negative one is refused by what it means and not as an unknown option.
struct ConfigOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "What is trained by: \(MethodChoice.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "name"))
  var method: MethodChoice?
  @Option(help: "Where MoCo's dictionary comes from: queue, end-to-end or memory-bank.")
  var mechanism: Mechanism?
  @Option(help: "Where a memory bank is kept: device or cpu. Changes no result.")
  var bank: BankDevice?
  @Option(help: ArgumentHelp("Network.", valueName: "name"))
  var arch: Architecture?
  @Option(help: "First layers: imagenet (7×7, pooled) or cifar (3×3).")
  var stem: Stem?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Heads of a vision transformer's attention; 12 unless given.", valueName: "n"))
  var heads: Int?
  @Flag(
    name: .customLong("stop-grad-conv1"), inversion: .prefixedNo,
    help: "A vision transformer's patch projection stays as it is drawn.")
  var stopGradConv1: Bool?
  @Option(parsing: .unconditional, help: ArgumentHelp("Size of a key.", valueName: "n"))
  var mocoDim: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Dictionary size K: keys in the queue, or drawn from the bank.", valueName: "n"))
  var mocoK: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Momentum m of the key encoder.", valueName: "m"))
  var mocoM: Double?
  @Flag(inversion: .prefixedNo, help: "The key encoder's momentum goes to 1 by a cosine.")
  var mocoMCos: Bool?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Hidden layers of the projectors and predictors of moco-v3, byol and simsiam.", valueName: "n"))
  var mocoMlpDim: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Temperature τ.", valueName: "t"))
  var mocoT: Double?
  @Flag(inversion: .prefixedNo, help: "A hidden layer in the head (v2).")
  var mlp: Bool?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Groups of batch normalisation, for ShuffleBN on one device.", valueName: "n"))
  var bnSplits: Int?
  @Flag(
    inversion: .prefixedNo, help: "Keys are normalised beside other images than their queries (ShuffleBN).")
  var shuffleBN: Bool?
  @Flag(
    inversion: .prefixedNo, help: "Batch normalisation over all ranks' batches; nothing is shuffled then.")
  var syncBN: Bool?
  @Flag(inversion: .prefixedNo, help: "Both views are query and key.")
  var symmetric: Bool?

  @Option(help: "Augmentations.")
  var views: AugmentationPreset?
  @Flag(help: "The augmentations of v2, as --views v2.")
  var augPlus = false
  @Option(parsing: .unconditional, help: ArgumentHelp("Pixels of a view's side.", valueName: "pixels"))
  var imageSize: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The smallest share of the image that a crop takes.", valueName: "fraction"))
  var cropScale: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Refuse larger images before decoding them.", valueName: "n"))
  var maxPixels: Int?
  @Flag(inversion: .prefixedNo, help: "Turn photos as their camera says; the published code does not.")
  var exifOrientation: Bool?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Images of tar shards among which the next one is drawn; 4096 unless given. They are held as files in memory.",
      valueName: "n"))
  var shuffleBuffer: Int?
  @Option(help: ArgumentHelp("Stop when more images than this cannot be read, as 5%.", valueName: "share"))
  var maxBad: Fraction?

  @OptionGroup var learning: LearningOptions
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Parts of a rank's batch that go through the network one after the other, for less memory.",
      valueName: "n"))
  var accumulate: Int?
  @Option(help: "sgd, lars or adamw.")
  var optimizer: OptimizerChoice?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Epochs in which the learning rate rises from 0.", valueName: "n"))
  var warmupEpochs: Double?
  @Option(parsing: .unconditional, help: ArgumentHelp("Learning rate at the start.", valueName: "rate"))
  var lr: Double?
  @Option(parsing: .unconditional, help: ArgumentHelp("The optimizer's momentum.", valueName: "m"))
  var momentum: Double?
  @Flag(help: "The cosine schedule, as --schedule cosine.")
  var cos = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Stop after so many steps, whatever --epochs says.", valueName: "n"))
  var steps: Int?

  @Option(help: "Of products and convolutions in training; weights and loss are float32 in any case.")
  var precision: Precision?
  @Flag(inversion: .prefixedNo, help: "Let a GPU round float32 products and convolutions to TF32.")
  var tf32: Bool?

  @Option(help: "auto, cpu, cuda, cuda:1 or mps.")
  var device: DeviceChoice?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Decoding threads; one a core unless given. Changes no result.", valueName: "n"))
  var workers: Int?

  @Flag(
    inversion: .prefixedNo,
    help: "Record a GPU's step once and repeat it as a CUDA graph, where that is sound.")
  var cudaGraph: Bool?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seconds that ranks wait for one another.", valueName: "seconds"))
  var timeout: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps between comparisons of the ranks' weights and dictionaries.", valueName: "n"))
  var checkRanksEvery: Int?
  @Option(
    help:
      "Keep decoded images: none, or memory (up to half of the machine's). For small sets; changes no result."
  )
  var cache: CacheChoice?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Steps between checkpoints; unless given, each epoch's end and every ten minutes.", valueName: "n"))
  var saveEvery: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Checkpoints that stay on disk.", valueName: "n"))
  var keep: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Steps between lines of log.jsonl.", valueName: "n"))
  var logEvery: Int?

  @Option(help: ArgumentHelp("Labelled images to measure kNN with while training.", valueName: "data"))
  var knnTrain: String?
  @Option(help: ArgumentHelp("Labelled images to measure kNN on.", valueName: "data"))
  var knnTest: String?
  @Option(parsing: .unconditional, help: ArgumentHelp("Epochs between measurements.", valueName: "n"))
  var knnEvery: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("At most so many images of each set.", valueName: "n"))
  var knnLimit: Int?

  /// The recipe with these options over it.
  func applied(to recipe: RunConfig) throws -> RunConfig {
    if cos, let schedule = learning.schedule, schedule != .cosine {
      throw UsageError("--cos and --schedule contradict each other: give one of them.")
    }
    if augPlus, let views, views != .v2 {
      throw UsageError("--aug-plus and --views \(views.rawValue) contradict each other: give one of them.")
    }
    var config = recipe
    func set<Value>(_ path: WritableKeyPath<RunConfig, Value>, _ value: Value?) {
      if let value { config[keyPath: path] = value }
    }
    // For keys that may be left to the program: in the other one an option that was not given would be a value, "nothing".
    func set<Value>(_ path: WritableKeyPath<RunConfig, Value?>, _ value: Value?) {
      if let value { config[keyPath: path] = value }
    }
    set(\.method, method)
    set(\.mechanism, mechanism)
    set(\.bank, bank)
    set(\.arch, arch)
    set(\.heads, heads)
    set(\.stopGradConv1, stopGradConv1)
    set(\.stem, stem)
    set(\.mocoDim, mocoDim)
    set(\.mocoK, mocoK)
    set(\.mocoM, mocoM)
    set(\.mocoMCos, mocoMCos)
    set(\.mocoMlpDim, mocoMlpDim)
    set(\.mocoT, mocoT)
    set(\.mlp, mlp)
    set(\.bnSplits, bnSplits)
    set(\.shuffleBN, shuffleBN)
    set(\.syncBN, syncBN)
    set(\.symmetric, symmetric)
    set(\.views, augPlus ? .v2 : views)
    set(\.imageSize, imageSize)
    set(\.cropScale, cropScale)
    set(\.maxPixels, maxPixels)
    set(\.exifOrientation, exifOrientation)
    set(\.shuffleBuffer, shuffleBuffer)
    set(\.maxBad, maxBad)
    set(\.epochs, learning.epochs)
    set(\.batchSize, learning.batchSize)
    set(\.accumulate, accumulate)
    set(\.optimizer, optimizer)
    set(\.warmupEpochs, warmupEpochs)
    set(\.lr, lr)
    set(\.momentum, momentum)
    set(\.wd, learning.wd)
    set(\.schedule, cos ? .cosine : learning.schedule)
    set(\.steps, steps)
    set(\.seed, learning.seed)
    set(\.precision, precision)
    set(\.tf32, tf32)
    set(\.device, device)
    set(\.workers, workers)
    set(\.cudaGraph, cudaGraph)
    set(\.timeout, timeout)
    set(\.checkRanksEvery, checkRanksEvery)
    set(\.cache, cache)
    set(\.saveEvery, saveEvery)
    set(\.keep, keep)
    set(\.logEvery, logEvery)
    set(\.knnTrain, knnTrain)
    set(\.knnTest, knnTest)
    set(\.knnEvery, knnEvery)
    set(\.knnLimit, knnLimit)
    return config
  }
}
