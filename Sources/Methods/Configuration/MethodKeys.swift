import Models

/// The keys that define a method and its network. Each method's file lists the keys it uses.
public struct MethodKeys: Sendable {
  public static let table = MethodKeys()

  public let method = Key("method", MethodName("moco"), "The training method.", "name")
  public let mechanism = Key("mechanism", Mechanism.queue, "Where MoCo's dictionary comes from.")
  public let bank = Key(
    "bank", BankDevice.device, "Where a memory bank is kept. Changes no result.", changesResult: false)

  public let arch = Key("arch", Architecture.resnet50, "Network.", "name")
  public let stem = Key(
    "stem", Stem?.none,
    "First layers: imagenet (7×7, pooled) or cifar (3×3); the network's own unless given.",
    needs: Need("only residual networks have a stem") { !$0.arch.isTransformer })
  public let heads = Key(
    "heads", Int?.none, "Heads of a vision transformer's attention; 12 unless given.", "n",
    needs: .visionTransformer)
  public let pooling = Key(
    "pooling", Pooling.token,
    "Features of a vision transformer: token (its class token) or average (the mean of its patches).",
    needs: .visionTransformer)
  public let stopGradConv1 = Key(
    "stop-grad-conv1", true, "A vision transformer's patch projection stays as it is drawn.",
    needs: .visionTransformer)

  public let mocoDim = Key(
    "moco-dim", 128, "Size of a key.", "n", allowed: { (1...65_536).contains($0) },
    else: "a key has 1 to 65,536 dimensions.")
  public let mocoK = Key(
    "moco-k", 65536, "Dictionary size K: keys in the queue, or drawn from the bank.", "n",
    allowed: { (1...100_000_000).contains($0) },
    else: "the queue needs room for at least one key, and at most 100,000,000.")
  public let mocoMlpDim = Key(
    "moco-mlp-dim", 4096, "Hidden layers of projectors and predictors with batch normalisation.", "n",
    allowed: { (1...1_000_000).contains($0) }, else: "a hidden layer has at least 1 number.")
  public let mocoM = Key(
    "moco-m", 0.999, "Momentum m of the key encoder, at the start.", "m", allowed: { (0..<1).contains($0) },
    else: "the momentum lies in [0, 1); 0.999 is usual.")
  public let mocoMCos = Key("moco-m-cos", false, "The key encoder's momentum goes to 1 by a cosine.")
  public let mocoT = Key(
    "moco-t", 0.07, "Temperature τ.", "t", allowed: { $0 > 0 && $0 <= 1000 },
    else: "the temperature must be positive, and at most 1000; 0.07 to 0.2 is usual.")
  public let noisePartition = Key(
    "noise-partition", NoiseContrast.Partition.step,
    "Z of noise contrast: from each step's noise (step), or of random rows of 128 numbers at τ = 0.07 as in the published "
      + "code (constant)."
  )
  public let background = Key(
    "background", Int?.none,
    "Nearest rows of the bank that an image is compared with, and noise rows of its warm-up; images/300, at least 8, "
      + "unless given.", "n", allowed: { ($0 ?? 2) >= 2 },
    else: "at least 2 rows: one has no other beside it.")
  public let clusters = Key(
    "clusters", Int?.none, "Clusters of a clustering; images/43, at least 8, unless given.", "n",
    allowed: { ($0 ?? 2) >= 2 }, else: "at least 2 clusters: all images are alike in one.")
  public let clusterings = Key(
    "clusterings", 10, "Clusterings, each from other first centres.", "n",
    allowed: { (1...1000).contains($0) }, else: "1 to 1000 clusterings.")
  public let sphericalClusters = Key(
    "spherical-clusters", false, "Centres of clusters are brought to length 1.")
  public let instDiscEpochs = Key(
    "instdisc-epochs", 10, "Epochs of instance discrimination before the first clusters.", "n",
    allowed: { (0...1_000_000).contains($0) }, else: "0 to 1,000,000.")
  public let mlp = Key("mlp", false, "A hidden layer in the head (v2).")
  public let bnSplits = Key(
    "bn-splits", 1, "Groups of batch normalisation in a batch, shared by the ranks; at least one a rank.",
    "n",
    allowed: { (1...1_000_000).contains($0) }, else: "there is at least one group.", needs: .batchNorm)
  public let bnSplitsPer = Key(
    "bn-splits-per", SplitScope.batch, inOlderRuns: .rank,
    "Whether --bn-splits are groups of the batch, or of each rank's share as in runs of older versions.",
    needs: .batchNorm, hasEffect: { _ in false })  // it matters only with several ranks
  public let shuffleBN = Key(
    "shuffle-bn", true, "Keys are normalised beside other images than their queries (ShuffleBN).",
    needs: .batchNorm, hasEffect: { $0.bnSplits > 1 })
  public let syncBN = Key(
    "sync-bn", false, "Batch normalisation over all ranks' batches; nothing is shuffled then.",
    hasEffect: { _ in false })  // it matters only with several ranks
  public let symmetric = Key("symmetric", false, "Both views are query and key.")
  public let denseLambda = Key(
    "dense-lambda", 0.5, "Share λ of the contrast of cells in the loss; the rest is that of whole images.",
    "λ",
    allowed: { (0...1).contains($0) }, else: "a share lies in [0, 1]; 0.5 is usual.")
  public let denseWarmup = Key(
    "dense-warmup", 0, "Steps at the start in which λ is 0.", "n", allowed: { $0 >= 0 }, else: "at least 0.")

  public let maskRatio = Key(
    "mask-ratio", 0.75, "The share of an image's patches that is hidden.", "share",
    allowed: { $0 > 0 && $0 < 1 }, else: "a share between 0 and 1; 0.75 is usual.")
  public let normPix = Key(
    "norm-pix", true, "The pixels to be predicted are normalised in each patch by itself.")
  public let decoderDim = Key(
    "decoder-dim", 512, "Channels of the decoder.", "n",
    allowed: { (4...65_536).contains($0) && $0.isMultiple(of: 4) },
    else: "4 to 65,536 channels, a multiple of 4: sines and cosines of two places.")
  public let decoderDepth = Key(
    "decoder-depth", 8, "Blocks of the decoder.", "n", allowed: { (1...1000).contains($0) },
    else: "1 to 1000 blocks.")
  public let decoderHeads = Key(
    "decoder-heads", 16, "Heads of the decoder's attention.", "n", allowed: { (1...65_536).contains($0) },
    else: "at least one head.")
  public let contrastWeight = Key(
    "contrast-weight", Double?.none, "The weight of the contrast beside the reconstruction; 2τ unless given.",
    "weight", allowed: { ($0 ?? 0) >= 0 && ($0 ?? 0).isFinite },
    else: "a weight is a finite number from 0 on.")

  public let relativePositionWeight = Key.weight(
    "relative-position-weight", "Weight of relative position among several tasks; 0 leaves it out.")
  public let colorizationWeight = Key.weight(
    "colorization-weight", "Weight of colorization among several tasks; 0 leaves it out.")
  public let exemplarWeight = Key.weight(
    "exemplar-weight", "Weight of the exemplar task among several tasks; 0 leaves it out.")
  public let harmonize = Key(
    "harmonize", false,
    "Relative position gets gray patches, as colorization does, instead of one colour channel.")
  public let tripletMargin = Key(
    "triplet-margin", 0.5, "Margin M of the triplet loss.", "m", allowed: { $0 > 0 && $0 <= 2 },
    else: "the margin of cosine distances lies above 0, and is at most 2.")
}

extension ConfigKey where Config == RunConfig, Value == Double {
  /// The weight of a task's loss.
  fileprivate static func weight(_ name: String, _ help: String) -> Self {
    Self(
      name, 1, help, "w", allowed: { $0 >= 0 && $0.isFinite },
      else: "a weight is a finite number from 0 on.")
  }
}

extension Condition<RunConfig> {
  static var visionTransformer: Need {
    Need("only vision transformers have attention heads and patches") { $0.arch.isTransformer }
  }
  static var batchNorm: Need { Need("the network has no batch normalisation") { $0.arch.hasBatchNorm } }
}

/// The name of a method: one of ``MethodKind/all``.
public struct MethodName: RawRepresentable, ExpressibleByStringLiteral, Hashable, Codable, Sendable {
  public let rawValue: String
  public init(_ name: String) { rawValue = name }
  public init?(rawValue: String) {
    guard MethodName.allNames.contains(rawValue) else { return nil }
    self.rawValue = rawValue
  }
  public init(stringLiteral name: String) { rawValue = name }
}

extension MethodName: KeyValue, CaseIterable {
  public static var allCases: [MethodName] { allNames.map { MethodName($0) } }
  private static var allNames: [String] {
    MethodKind.all.map(\.name).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}

/// The source of the keys that MoCo contrasts (He et al. 2020, figure 2).
public enum Mechanism: String, KeyValue, CaseIterable {
  /// A queue of keys from the momentum encoder.
  case queue
  /// The batch, encoded by a second encoder that is trained too.
  case endToEnd = "end-to-end"
  /// One row for every image, from the last time it was seen.
  case memoryBank = "memory-bank"
}

/// The images that are divided into the groups of batch normalisation.
public enum SplitScope: String, KeyValue, CaseIterable {
  /// The batch of all ranks, or a part of it with `accumulate`. Ranks normalise what one device would.
  case batch
  /// Each rank's share of it.
  case rank
}

/// The device of a memory bank. It does not change the result.
public enum BankDevice: String, KeyValue, CaseIterable {
  /// The network's device.
  case device
  /// The machine's memory, with room for millions of images.
  case cpu
}
