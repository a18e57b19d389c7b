import Data
import Files
import Foundation
import Methods
import Models
import Testing
import Torch
@testable import Training

@Suite struct RunConfigTests {
  @Test func anUnknownKeyIsRefusedWithTheNearestKnownOne() {
    let error = #expect(throws: UsageError.self) {
      try RunConfig(yaml: "moco-k: 64\nbatchsize: 32\n", source: "mine.yaml")
    }
    #expect(
      error?.description
        == "mine.yaml: there is no key `batchsize`. Did you mean `batch-size`? "
        + "`moco pretrain --print-config` shows all keys.")
  }

  @Test func aKeyFarFromAllOthersGetsNoSuggestion() {
    let error = #expect(throws: UsageError.self) { try RunConfig(yaml: "zzzzzzzz: 1\n", source: "a.yaml") }
    #expect(error?.description.contains("Did you mean") == false)
  }

  @Test func aValueOfTheWrongKindNamesItsKey() {
    let error = #expect(throws: UsageError.self) { try RunConfig(yaml: "moco-k: many\n", source: "a.yaml") }
    #expect(error?.description.hasPrefix("a.yaml: `moco-k`: ") == true)
    let schedule = #expect(throws: UsageError.self) {
      try RunConfig(yaml: "schedule: linear\n", source: "a.yaml")
    }
    #expect(
      schedule?.description
        == "a.yaml: `schedule`: expected `cosine`, a list of epochs such as [120, 160], or a factor and steps such as "
        + "0.9x62500")
  }

  @Test(arguments: ["", "just words", "- a\n- b\n"])
  func whatIsNoListOfKeysIsRefused(yaml: String) {
    let error = #expect(throws: UsageError.self) { try RunConfig(yaml: yaml, source: "a.yaml") }
    #expect(error?.description == "a.yaml: expected lines of `key: value`.")
  }

  @Test func anUnknownRecipeIsRefusedWithTheNearestKnownOne() {
    let error = #expect(throws: UsageError.self) { try RunConfig.recipe("cifa") }
    #expect(
      error?.description
        == "--recipe cifa: there is no such recipe. Did you mean `cifar`? "
        + "There are v1, v2, ig1b, v3-resnet50, v3-vit-small, v3-vit-base, densecl, mae, moco-mae, cifar, demo, laptop, simclr, byol, simsiam, "
        + "barlow-twins, instdisc, local-agg, cpc, rotation, jigsaw, relative-position, colorization, exemplar, multi-task, or the "
        + "path of a .yaml file.")
  }

  /// An option, what it is set to, and the beginning of the message it must give.
  struct Wrong: Sendable, CustomTestStringConvertible {
    let message: String
    let set: @Sendable (inout RunConfig) -> Void
    var testDescription: String { message }
  }

  static let wrong = [
    Wrong(message: "--moco-k 0: the queue needs") { $0.mocoK = 0 },
    Wrong(message: "--moco-k -5: the queue needs") { $0.mocoK = -5 },
    Wrong(message: "--moco-dim 0: a key") { $0.mocoDim = 0 },
    Wrong(message: "--moco-m 1.0: the momentum") { $0.mocoM = 1 },
    Wrong(message: "--moco-t 0.0: the temperature") { $0.mocoT = 0 },
    Wrong(message: "--background 1: at least 2 rows: one has no other beside it.") { $0.background = 1 },
    Wrong(message: "--clusters 1: at least 2 clusters: all images are alike in one.") { $0.clusters = 1 },
    Wrong(message: "--clusterings 0: 1 to 1000 clusterings.") { $0.clusterings = 0 },
    Wrong(message: "--instdisc-epochs -1: 0 to 1,000,000.") { $0.instDiscEpochs = -1 },
    Wrong(message: "--triplet-margin 0.0: the margin of cosine distances") { $0.tripletMargin = 0 },
    Wrong(message: "--colorization-weight -1.0: a weight is a finite number from 0 on.") {
      $0.colorizationWeight = -1
    },
    Wrong(message: "--exemplar-weight inf: a weight is a finite number from 0 on.") {
      $0.exemplarWeight = .infinity
    },
    Wrong(message: "--batch-size 0: 1 to 1,000,000 images.") { $0.batchSize = 0 },
    Wrong(
      message:
        "--batch-size 1: --method moco takes at least 2 images, which are normalised or compared together."
    ) { $0.batchSize = 1 },
    Wrong(
      message: "--bn-splits 3: the batch of 256 does not divide into 3 groups. Use --batch-size 255 or 258."
    ) { $0.bnSplits = 3 },
    Wrong(
      message: "--bn-splits 8: the batch of 100 does not divide into 8 groups. Use --batch-size 96 or 104."
    ) {
      $0.batchSize = 100
    },
    Wrong(message: "--bn-splits 8: the batch of 7 does not divide into 8 groups. Use --batch-size 16.") {
      $0.batchSize = 7
    },
    Wrong(message: "--bn-splits 256: 256 groups of a batch of 256 leave one image") { $0.bnSplits = 256 },
    Wrong(message: "--crop-scale 1.5: a share") { $0.cropScale = 1.5 },
    Wrong(message: "--epochs 0: 1 to 1,000,000") { $0.epochs = 0 },
    Wrong(message: "--lr nan: the learning rate must be positive and finite.") { $0.lr = .nan },
    Wrong(message: "--wd inf: weight decay is finite and not negative.") { $0.wd = .infinity },
    Wrong(message: "--warmup-epochs inf: a finite number, at least 0.") { $0.warmupEpochs = .infinity },
    Wrong(
      message:
        "--warmup-epochs 1.0 (the recipe's unless given): a warm-up is shorter than the run, and --epochs is 1. Give "
        + "--warmup-epochs 0, or fewer than 1."
    ) {
      ($0.epochs, $0.warmupEpochs) = (1, 1)
    },
    Wrong(
      message:
        "--warmup-epochs 5.0 (the recipe's unless given): a warm-up goes only with --schedule cosine. Give "
        + "--warmup-epochs 0, or --schedule cosine."
    ) {
      ($0.schedule, $0.warmupEpochs) = (.milestones([120, 160]), 5)
    },
    Wrong(message: "--workers 0: 1 to 1024.") { $0.workers = 0 },
    Wrong(message: "--workers 9223372036854775807: 1 to 1024.") { $0.workers = .max },
    Wrong(message: "--heads 6: resnet50 is no vision transformer and has no heads.") { $0.heads = 6 },
    Wrong(message: "--heads 7: the 384 channels of vit_small do not divide into 7 heads. Give 6 or 8.") {
      ($0.arch, $0.heads) = (.vitSmall, 7)
    },
    Wrong(message: "--heads 0: the 768 channels of vit_base do not divide into 0 heads. Give 1.") {
      ($0.arch, $0.heads) = (.vitBase, 0)
    },
    Wrong(message: "--knn-train and --knn-test belong together") { $0.knnTrain = "a" },
    Wrong(message: "--image-size 30: vit_mini cuts images into patches of 4 pixels; give a multiple of 4.") {
      ($0.arch, $0.imageSize) = (.vitMini, 30)
    },
    Wrong(
      message:
        "--views mae: it makes one view of an image, and --method moco needs two. Choose one of v1, v2, v3, cifar, moco-mae, demo."
    ) {
      $0.views = .mae
    },
    Wrong(
      message:
        "--views mae: it makes one view of an image, and --method moco-mae needs two. Choose one of v1, v2, v3, cifar, moco-mae, demo."
    ) {
      masked(&$0)
      ($0.method, $0.views) = ("moco-mae", .mae)
    },
    Wrong(
      message:
        "--method mae: it hides patches before the network sees them, which goes with a linear patch projection only, "
        + "not with resnet50. Choose --arch vit_mini, vit_small or vit_base."
    ) {
      masked(&$0)
      $0.arch = .resnet50
    },
    Wrong(message: "--method mae: it hides patches before the network sees them") {
      masked(&$0)
      $0.arch = .vitConvSmall
    },
    Wrong(message: "--mask-ratio 1.0: a share between 0 and 1") {
      masked(&$0)
      $0.maskRatio = 1
    },
    Wrong(
      message:
        "--mask-ratio 0.99: it keeps 0 of the 64 patches of an image of 32 pixels; at least one must stay and one be "
        + "hidden."
    ) {
      masked(&$0)
      $0.maskRatio = 0.99
    },
    Wrong(message: "--mask-ratio 0.75: it keeps 0 of the 1 patches of an image of 16 pixels") {
      masked(&$0)
      ($0.arch, $0.imageSize) = (.vitSmall, 16)
    },
    Wrong(message: "--decoder-dim 510: 4 to 65,536 channels, a multiple of 4") {
      masked(&$0)
      $0.decoderDim = 510
    },
    Wrong(
      message: "--decoder-heads 7: the 512 channels of the decoder do not divide into 7 heads. Give 4 or 8."
    ) {
      masked(&$0)
      $0.decoderHeads = 7
    },
    Wrong(message: "--contrast-weight inf: a weight is a finite number from 0 on.") {
      masked(&$0)
      ($0.method, $0.contrastWeight) = ("moco-mae", .infinity)
    },
  ]

  /// A masked auto-encoder on images of 32 pixels.
  private static func masked(_ config: inout RunConfig) {
    (config.method, config.arch, config.imageSize, config.bnSplits) = ("mae", .vitMini, 32, 1)
  }

  @Test(arguments: wrong)
  func aValueThatCannotTrainIsRefusedWithItsOption(wrong: Wrong) throws {
    var config = try RunConfig.recipe("v2")
    wrong.set(&config)
    let error = #expect(throws: UsageError.self) { try config.validate() }
    #expect(error?.description.hasPrefix(wrong.message) == true, "\(error?.description ?? "accepted")")
  }

  /// No image of a masked auto-encoder is normalised or compared with another one.
  @Test func aMaskedAutoEncoderTakesSingleImages() throws {
    var config = try RunConfig.recipe("v2")
    Self.masked(&config)
    config.batchSize = 1
    try config.validate()
    (config.batchSize, config.accumulate) = (8, 4)
    try config.validate(ranks: 2)
    let few = #expect(throws: UsageError.self) { try config.validate(images: 7, ranks: 1) }
    #expect(few?.description.hasSuffix("has only 7 images. Use --batch-size 4, or more images.") == true)
    config.accumulate = 3
    let odd = #expect(throws: UsageError.self) { try config.validate(ranks: 3) }
    #expect(odd?.description.hasSuffix("into 3 ranks × 3 parts. Use --batch-size 9.") == true)
  }

  @Test func aBatchLargerThanTheDataSetIsRefused() throws {
    func text(_ images: Int, ranks: Int = 1) -> String? {
      let error = #expect(throws: UsageError.self) {
        try RunConfig.recipe("v2").validate(images: images, ranks: ranks)
      }
      return error?.description
    }
    let start = "--batch-size 256: the data set has only "
    #expect(text(100) == start + "100 images. Use --batch-size 96, or more images.")
    // Groups of one image have no statistics.
    #expect(text(15) == start + "15 images. Use --batch-size 15 --bn-splits 1, or more images.")
    #expect(text(3, ranks: 2) == start + "3 images. Use a smaller batch, or more images.")
    // The options are ones that are taken.
    for (batch, groups, images) in [(96, 8, 100), (15, 1, 15)] {
      var config = try RunConfig.recipe("v2")
      (config.batchSize, config.bnSplits) = (batch, groups)
      try config.validate()
      try config.validate(images: images)
    }
  }

  @Test func whatCostOthersTheirRunsIsWarnedOf() throws {
    var config = try RunConfig.recipe("v2")
    #expect(config.warnings(images: 1_281_167, ranks: 1).isEmpty)
    config.bnSplits = 1
    #expect(config.warnings(images: 1_281_167, ranks: 1).count == 1)
    #expect(config.warnings(images: 1_281_167, ranks: 1)[0].contains("ShuffleBN does nothing"))
    // One image fewer than K + batch, and the queue must hold an image of the batch.
    #expect(config.warnings(images: 65536 + 256 - 1, ranks: 1).count == 2)
    #expect(config.warnings(images: 65536 + 256, ranks: 1).count == 1)
  }

  @Test func viewsThatAreNotUsedAreWarnedOf() throws {
    var config = try RunConfig.recipe("mae")
    #expect(config.warnings(images: 100_000, ranks: 1).isEmpty)
    config.views = .v2
    #expect(
      config.warnings(images: 100_000, ranks: 1)
        == [
          "--views v2: it makes 2 views of an image, and --method mae uses only the first. Try --views mae."
        ])
  }

  /// The options that the method has, with their values.
  @Test func theRemedyForALossThatIsNoNumberFitsTheMethod() throws {
    func remedy(_ recipe: String, weight: Double? = nil) throws -> String {
      var config = try RunConfig.recipe(recipe)
      (config.lr, config.contrastWeight) = (0.5, weight)
      return config.divergenceRemedy
    }
    let first = "Try a lower --lr (now 0.5)"
    #expect(try remedy("mae") == "\(first).")
    #expect(try remedy("v2") == "\(first) or a higher --moco-t (now 0.2).")
    let both = "\(first) or a higher --moco-t (now 0.2)"
    #expect(try remedy("moco-mae") == "\(both) or a lower --contrast-weight (now 0.4).")
    #expect(try remedy("moco-mae", weight: 9) == "\(both) or a lower --contrast-weight (now 9.0).")
    #expect(try remedy("moco-mae", weight: 0) == "\(both).")
  }

  @Test func cudaWithoutAGPUIsNamedWithTheRemedy() throws {
    guard case .unavailable = Runtime.cuda else { return }
    let error = #expect(throws: RunError.self) { _ = try DeviceChoice("cuda")?.resolve() }
    #expect(error?.description.hasPrefix("--device cuda: no GPU can be used: ") == true)
    #expect(error?.description.contains("`--device cpu` trains on the CPU") == true)
  }

  @Test func ranksOfAMachineTakeAGPUEach() throws {
    #expect(try (0..<4).map { try DeviceChoice.gpu(0, of: 4, localNumber: $0) } == (0..<4).map(Device.cuda))
    #expect(try DeviceChoice.gpu(2, of: 4, localNumber: 1) == .cuda(3))
    let few = #expect(throws: RunError.self) { try DeviceChoice.gpu(1, of: 3, localNumber: 2) }
    #expect(
      few?.description
        == "rank 2 of this machine has no GPU: there are 3, and rank 0 has cuda:1. Start 2 ranks here at most, or "
        + "give --device cpu.")
    let none = #expect(throws: RunError.self) { try DeviceChoice.gpu(3, of: 3, localNumber: 0) }
    #expect(none?.description == "--device cuda:3: there are 3 GPUs here, numbered from 0.")
  }

  @Test func devicesAreReadAndPrinted() {
    for text in ["auto", "cpu", "cuda:0", "cuda:3", "mps"] {
      #expect(DeviceChoice(text)?.description == text)
    }
    #expect(DeviceChoice("cuda") == .named(.cuda(0)))
    for text in ["gpu", "cuda:", "cuda:-1", "cuda:x", ""] { #expect(DeviceChoice(text) == nil) }
  }

  @Test func onlyWhatDecidesTheTrajectoryTellsRunsApart() throws {
    let config = try RunConfig.recipe("cifar")
    var same = config
    same.workers = 7
    same.steps = 10
    same.saveEvery = 3
    same.knnEvery = 2
    same.cudaGraph = false
    #expect(same.differences(from: config).isEmpty)
    same.stem = nil  // the network's own
    #expect(
      same.arch == .resnet18 && same.differences(from: config) == ["stem is imagenet there and cifar here"])
    (same.arch, same.stem) = (.resnet8, nil)
    var named = config
    named.arch = .resnet8
    #expect(same.differences(from: named).isEmpty)
    var other = config
    other.mocoK = 1024
    #expect(config.differences(from: other) == ["moco-k is 4096 there and 1024 here"])
  }

  @Test func whatTheLossIsExpectedToDoIsSaid() {
    var config = RunConfig()
    (config.mocoK, config.batchSize) = (64, 32)
    let guess = "loss of a guess: log(K+1) = 4.17. "
    #expect(
      config.expectedLoss().text == guess
        + "It starts below, rises while the queue fills (2 steps), then falls.")
    config.batchSize = 64
    #expect(config.expectedLoss().text.hasSuffix("while the queue fills (1 step), then falls."))
    (config.mechanism, config.batchSize) = (.memoryBank, 32)
    #expect(
      config.expectedLoss().text
        == guess + "It starts above, rises while random rows become features (an epoch or two), then falls.")
    (config.method, config.mechanism) = ("instdisc", .queue)
    #expect(
      config.expectedLoss().text
        == "the loss starts low, rises while random rows become features (an epoch or two), then falls.")
    config.method = "local-agg"
    #expect(
      config.expectedLoss().text
        == "for 10 epochs the loss is that of instance discrimination; then it is −log of the close neighbours' share in "
        + "the background, which falls, and jumps where clusters are renewed.")
    config.method = "simclr"
    #expect(config.expectedLoss().text == "loss of a guess: log(2N−1) = 4.14; N is the batch.")
  }
}
