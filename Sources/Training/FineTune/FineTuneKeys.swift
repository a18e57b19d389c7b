import Data
import Evaluation
import Methods
import Torch

/// A key of fine-tuning's configuration.
package typealias FineTuneKey<Value: KeyValue> = ConfigKey<FineTuneConfig, Value>

/// All keys of fine-tuning, in the order of its YAML file.
package struct FineTuneKeys: Sendable {
  package static let table = FineTuneKeys()

  // The network.
  package let batchNorm = FineTuneKey(
    "batch-norm", FineTuneProtocol.BatchNorm.trained,
    "The backbone's batch normalisation: trained with the batch's statistics, as in the paper, or frozen as it is in the "
      + "encoder.")
  package let featureNorm = FineTuneKey(
    "feature-norm", false,
    "Normalise the features before the classifier, so that their scale does not matter for its learning rate."
  )
  package let learnEmbeddings = FineTuneKey(
    "learn-embeddings", false,
    "Train a transformer's patch projection and positions too, which MoCo v3 keeps fixed.")
  package let dropPath = FineTuneKey(
    "drop-path", 0.0,
    "The chance that an image leaves out the last residual block (stochastic depth); it falls linearly to 0 in the first.",
    "chance", allowed: { (0..<1).contains($0) }, else: "0 to below 1.")

  // Images.
  package let cropScale = FineTuneKey(
    "crop-scale", 0.08, "The smallest share of the image that a crop takes.", "fraction",
    allowed: { $0 > 0 && $0 <= 1 }, else: "a share of the image, above 0 and at most 1.")
  package let flip = FineTuneKey<Double>.chance("flip", 0.5, "The chance that an image is mirrored.")
  package let cropInterpolation = FineTuneKey(
    "crop-interpolation", Interpolation.bilinear, "The filter of crops and of RandAugment's turns.")
  package let randAugment = FineTuneKey(
    "rand-augment", RandAugment?.none,
    "RandAugment behind crop and flip, in timm's form, as rand-m9-mstd0.5-inc1; none unless given.", "policy")
  package let erasing = FineTuneKey<Double>.chance(
    "erasing", 0.0, "The chance that a random box of an image becomes noise (timm's mode pixel).")
  package let mixup = FineTuneKey<Double>.alpha(
    "mixup", "α of mixup: a batch's images are blended with one another, and so are their labels; 0 for none."
  )
  package let cutmix = FineTuneKey<Double>.alpha(
    "cutmix", "α of CutMix: a box of an image is that of another; 0 for none.")
  package let mixProb = FineTuneKey<Double>.chance(
    "mix-prob", 1.0, "The chance that a batch is mixed.", needs: .mixing)
  package let mixSwitch = FineTuneKey<Double>.chance(
    "mix-switch", 0.5, "The chance of CutMix instead of mixup.",
    needs: Condition("only of --mixup and --cutmix together one is chosen") {
      $0.mixup > 0 && $0.cutmix > 0
    })
  package let labelSmoothing = FineTuneKey(
    "label-smoothing", 0.0, "The share of a label that is spread over all classes.", "share",
    allowed: { (0..<1).contains($0) }, else: "0 to below 1.")
  package let repeats = FineTuneKey(
    "repeats", 1,
    "Views of an image in an epoch; of n views only every nth image is in it, so that its length stays.", "n",
    allowed: { (1...64).contains($0) }, else: "1 to 64.")

  // Optimization.
  package let epochs = FineTuneKey(
    "epochs", 50, "Passes over the training images.", "n", allowed: { (1...1_000_000).contains($0) },
    else: "1 to 1,000,000.")
  package let batchSize = FineTuneKey(
    "batch-size", 64, "Images a step.", "n", allowed: { (2...1_000_000).contains($0) },
    else: "2 to 1,000,000 images.")
  package let optimizer = FineTuneKey("optimizer", FineTuneProtocol.Optimizer.sgd, "The optimizer.")
  package let lr = FineTuneKey(
    "lr", 0.1, "The backbone's learning rate at a batch of 256.", "rate",
    allowed: { $0 > 0 && $0.isFinite }, else: "a learning rate must be positive and finite.")
  package let lrClassifier = FineTuneKey(
    "lr-classifier", Double?.none, "The classifier's learning rate at a batch of 256; as --lr unless given.",
    "rate", allowed: { ($0 ?? 1) > 0 && ($0 ?? 1).isFinite },
    else: "a learning rate must be positive and finite.")
  package let layerDecay = FineTuneKey(
    "layer-decay", 1.0,
    "What the learning rate is multiplied by from layer to layer, from the classifier down; 1 for equal rates.",
    "factor", allowed: { $0 > 0 && $0 <= 1 }, else: "above 0 and at most 1.")
  package let momentum = FineTuneKey(
    "momentum", 0.9, "The optimizer's momentum.", "m", allowed: { (0..<1).contains($0) },
    else: "the optimizer's momentum lies in [0, 1).",
    needs: Condition("the optimizer adamw has no momentum") { $0.optimizer != .adamw })
  package let wd = FineTuneKey(
    "wd", 1e-4, "Weight decay.", "decay", allowed: { $0 >= 0 && $0.isFinite },
    else: "weight decay is finite and not negative.")
  package let wdAll = FineTuneKey(
    "wd-all", true,
    "Weight decay of all parameters; otherwise not of biases, normalisations, class token and positions.")
  package let schedule = FineTuneKey(
    "schedule", Schedule.cosine,
    "Learning rate: cosine, or the epochs at which it falls to a tenth, as 120,160.", "schedule",
    allowed: { if case .step = $0 { false } else { true } },
    else: "a factor every so many steps is for pretrain; give cosine, or epochs such as 120,160.",
    shortcuts: ["cos": "cosine"])
  package let minLR = FineTuneKey(
    "min-lr", 0.0, "The learning rate at which a cosine ends, whatever the batch.", "rate",
    allowed: { $0 >= 0 && $0.isFinite }, else: "a finite number, at least 0.",
    needs: Condition("only --schedule cosine has an end") { $0.schedule == .cosine })
  package let warmupEpochs = FineTuneKey(
    "warmup-epochs", 0.0, "Epochs in which the learning rate rises from 0, in every step.", "n",
    allowed: { $0 >= 0 && $0.isFinite }, else: "a finite number, at least 0.")
  package let precision = FineTuneKey<Precision>.precision
  package let tf32 = FineTuneKey<Bool>.tf32
  package let seed = FineTuneKey<UInt64>.seed
  package let testEvery = FineTuneKey(
    "test-every", 5, "Epochs between tests; the last epoch is always tested.", "n", allowed: { $0 > 0 },
    else: "at least 1 epoch.", changesResult: false)
}

extension ConfigKey where Config == FineTuneConfig, Value == Double {
  fileprivate static func chance(
    _ name: String, _ defaultValue: Double, _ help: String, needs need: Condition<FineTuneConfig>? = nil
  ) -> Self {
    Self(
      name, defaultValue, help, "chance", allowed: { (0...1).contains($0) }, else: "0 to 1.", needs: need)
  }

  fileprivate static func alpha(_ name: String, _ help: String) -> Self {
    Self(name, 0, help, "alpha", allowed: { $0 >= 0 && $0 <= 1000 }, else: "0 to 1000.")
  }
}

extension Condition<FineTuneConfig> {
  fileprivate static var mixing: Self {
    Self("neither --mixup nor --cutmix is given") { $0.mixup > 0 || $0.cutmix > 0 }
  }
}

extension FineTuneProtocol.BatchNorm: KeyValue {}
extension FineTuneProtocol.Optimizer: KeyValue {}
extension Interpolation: KeyValue {}
extension RandAugment: KeyValue {}
