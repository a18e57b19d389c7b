import Backbones
import Images
import MomentumContrast
import Torch
import Views

/// Everything that decides a pre-training run. A key of the YAML file is the name of the command-line option.
public struct RunConfig: Codable, Sendable, Equatable {
  public var method = MethodChoice.moco
  /// Where MoCo's dictionary comes from.
  public var mechanism = Mechanism.queue
  /// Where a memory bank is kept.
  public var bank = BankPlace.device

  // The network.
  public var arch = Architecture.resnet50
  /// The network's own unless given.
  public var stem: Stem?
  /// Heads of a vision transformer's attention; 12 unless given.
  public var heads: Int?
  /// A vision transformer's patch projection stays as it is drawn.
  public var stopGradConv1 = true

  // Momentum contrast.
  /// Size of a key *C*.
  public var mocoDim = 128
  /// Dictionary size *K*: keys in the queue, or rows that are drawn from a memory bank.
  public var mocoK = 65536
  /// Size of the hidden layers of projectors and predictors with batch normalisation: MoCo v3, BYOL, SimSiam.
  public var mocoMlpDim = 4096
  /// Momentum *m* of the key encoder, at the start.
  public var mocoM = 0.999
  /// Whether *m* goes to 1 by a cosine.
  public var mocoMCos = false
  /// Temperature *τ*.
  public var mocoT = 0.07
  /// A hidden layer in the head (v2).
  public var mlp = false
  /// Groups of batch normalisation, for ShuffleBN on one device.
  public var bnSplits = 1
  /// Whether keys are encoded in another order than queries, so that batch statistics do not give them away.
  public var shuffleBN = true
  /// Batch normalisation over all ranks' batches together; nothing is shuffled then.
  public var syncBN = false
  public var symmetric = false

  // Views.
  public var views = ViewFamily.v1
  /// Pixels of a view's side.
  public var imageSize = 224
  /// The smallest share of the image that a crop takes; the views' own unless given.
  public var cropScale: Double?

  /// Larger images are refused before they are decoded.
  public var maxPixels = DecodeLimits().maxPixels
  /// Turns photos as their camera says; the published code does not.
  public var exifOrientation = false
  /// Images of tar shards among which the next one is drawn; folders are shuffled whole.
  public var shuffleBuffer = 4096
  /// More unreadable images than this share stop the run.
  public var maxBad = BadShare.fivePercent

  // Optimization.
  public var epochs = 200
  /// Images of a step, of all ranks together.
  public var batchSize = 256
  /// Parts of a rank's batch that go through the network one after the other, for less memory.
  public var accumulate = 1
  public var optimizer = OptimizerChoice.sgd
  public var lr = 0.03
  public var momentum = 0.9
  public var wd = 1e-4
  public var schedule = Schedule.milestones([120, 160])
  /// Epochs in which the learning rate rises from 0, in every step.
  public var warmupEpochs = 0.0
  /// Of products and convolutions while training; weights and loss are float32 in any case.
  public var precision = Precision.float32
  /// Whether float32 products and convolutions on a GPU may be rounded to TF32.
  public var tf32 = false
  /// Stops after so many steps, whatever the epochs say.
  public var steps: Int?
  public var seed: UInt64 = 1

  // The machine. None of these changes what is computed; a GPU's graph may add in another order.
  public var device = DeviceChoice.auto
  /// Decoding threads; one a core unless given.
  public var workers: Int?
  public var cache = CacheChoice.none
  /// Whether the forward and backward passes are recorded as a CUDA graph where that is sound: on a GPU, with one rank,
  /// a batch in one part, and a method that does not need the CPU in between.
  public var cudaGraph = true
  /// Seconds that ranks wait for one another.
  public var timeout = 300
  /// Steps between comparisons of the ranks' weights and dictionaries.
  public var checkRanksEvery = 1000

  // What is kept and shown.
  /// Steps between checkpoints; unless given, at the end of each epoch and every ten minutes.
  public var saveEvery: Int?
  /// Checkpoints that stay on disk.
  public var keep = 2
  /// Steps between lines of the log.
  public var logEvery = 10

  // The kNN monitor.
  public var knnTrain: String?
  public var knnTest: String?
  /// Epochs between measurements.
  public var knnEvery = 1
  /// At most so many images of each set, evenly spaced; all unless given.
  public var knnLimit: Int?

  public init() {}

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case method, mechanism, bank, arch, stem, heads
    case stopGradConv1 = "stop-grad-conv1"
    case mocoDim = "moco-dim"
    case mocoK = "moco-k"
    case mocoMlpDim = "moco-mlp-dim"
    case mocoM = "moco-m"
    case mocoMCos = "moco-m-cos"
    case mocoT = "moco-t"
    case mlp
    case bnSplits = "bn-splits"
    case shuffleBN = "shuffle-bn"
    case syncBN = "sync-bn"
    case symmetric
    case views
    case imageSize = "image-size"
    case cropScale = "crop-scale"
    case maxPixels = "max-pixels"
    case exifOrientation = "exif-orientation"
    case shuffleBuffer = "shuffle-buffer"
    case maxBad = "max-bad"
    case epochs
    case batchSize = "batch-size"
    case accumulate, optimizer
    case lr, momentum, wd, schedule
    case warmupEpochs = "warmup-epochs"
    case precision, tf32, steps, seed, device, workers, cache
    case cudaGraph = "cuda-graph"
    case timeout
    case checkRanksEvery = "check-ranks-every"
    case saveEvery = "save-every"
    case keep
    case logEvery = "log-every"
    case knnTrain = "knn-train"
    case knnTest = "knn-test"
    case knnEvery = "knn-every"
    case knnLimit = "knn-limit"
  }
}

/// What a run trains by.
public enum MethodChoice: String, Codable, Sendable, CaseIterable {
  /// MoCo v1, v2 and the CIFAR-10 demonstration: a queue.
  case moco
  /// The other images of the batch, a predictor, a symmetric loss.
  case mocoV3 = "moco-v3"
  /// The other views of the batch.
  case simCLR = "simclr"
  /// A slow copy's answer is predicted, without negatives.
  case byol
  /// The own answer is predicted, without negatives.
  case simSiam = "simsiam"
  /// Every image is a class, in a memory bank.
  case instDisc = "instdisc"
  /// Patches are predicted from those above them.
  case cpc
  /// By which angle an image was turned.
  case rotation
  /// How nine tiles were shuffled.
  case jigsaw
  /// Where one patch lies beside another.
  case relativePosition = "relative-position"

  /// Whether it looks at parts of an image, which are smaller than the image.
  var cutsImages: Bool { [.cpc, .jigsaw, .relativePosition].contains(self) }
}

/// Where the keys that MoCo contrasts come from (He et al. 2020, figure 2).
public enum Mechanism: String, Codable, Sendable, CaseIterable {
  /// A queue of keys by the momentum encoder.
  case queue
  /// The batch, through a second encoder that is trained too.
  case endToEnd = "end-to-end"
  /// One row for every image, as it was when it was last seen.
  case memoryBank = "memory-bank"
}

/// Where a memory bank is kept. It does not change the result.
public enum BankPlace: String, Codable, Sendable, CaseIterable {
  /// Beside the network.
  case device
  /// In the machine's memory, where there is room for millions of images.
  case cpu
}

/// What moves the weights.
public enum OptimizerChoice: String, Codable, Sendable, CaseIterable {
  case sgd, lars, adamw
}

/// How the learning rate falls: `cosine`, or a list of epochs at each of which it falls to a tenth.
public enum Schedule: Codable, Sendable, Equatable {
  case cosine
  case milestones([Int])

  public init(from decoder: Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let epochs = try? value.decode([Int].self) {
      self = .milestones(epochs)
    } else if (try? value.decode(String.self)) == "cosine" {
      self = .cosine
    } else {
      throw DecodingError.dataCorruptedError(
        in: value, debugDescription: "expected `cosine` or a list of epochs such as [120, 160]")
    }
  }

  public func encode(to encoder: Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .cosine: try value.encode("cosine")
    case .milestones(let epochs): try value.encode(epochs)
    }
  }

  public var rate: LearningRateSchedule {
    switch self {
    case .cosine: .cosine
    case .milestones(let epochs): .step(milestones: epochs)
    }
  }
}

/// Whether decoded images are kept.
public enum CacheChoice: String, Codable, Sendable, CaseIterable {
  case none
  /// In the GPU's memory where one trains and they are of one size and 4 GB at most; else in the machine's, up to
  /// half of it.
  case memory
}

/// What `--device` says.
public enum DeviceChoice: Codable, Sendable, Equatable {
  /// A GPU if there is one, else the CPU.
  case auto
  case named(Device)

  /// `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
  public init?(_ text: String) {
    switch text {
    case "auto": self = .auto
    case "cpu": self = .named(.cpu)
    case "cuda": self = .named(.cuda(0))
    case "mps": self = .named(.mps)
    default:
      guard text.hasPrefix("cuda:"), let index = Int(text.dropFirst(5)), index >= 0 else { return nil }
      self = .named(.cuda(index))
    }
  }

  public init(from decoder: Decoder) throws {
    let value = try decoder.singleValueContainer()
    let text = try value.decode(String.self)
    guard let choice = DeviceChoice(text) else {
      throw DecodingError.dataCorruptedError(
        in: value, debugDescription: "`\(text)` is none of auto, cpu, cuda, cuda:1, mps")
    }
    self = choice
  }

  public func encode(to encoder: Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(description)
  }

  /// The device, or why it cannot be had.
  /// - Parameter localNumber: of several ranks on a machine each takes a GPU of its own: the first the one that is named,
  ///   or number 0, and the others those that follow it.
  public func resolve(localNumber: Int = 0) throws -> Device {
    switch self {
    case .auto:
      guard case .available = Runtime.cuda else { return .cpu }
      return try DeviceChoice.named(.cuda(0)).resolve(localNumber: localNumber)
    case .named(.cuda(let index)):
      switch Runtime.cuda {
      case .available(let count): return try DeviceChoice.gpu(index, of: count, localNumber: localNumber)
      case .unavailable(let reason):
        throw RunError(
          "--device cuda: no GPU can be used: \(reason). "
            + "`moco doctor` shows what was found; `--device cpu` trains on the CPU.")
      }
    case .named(let device):
      do {
        return try withTorchErrors { Tensor.zeros([1], on: device).device }
      } catch {
        throw RunError("--device \(device): it cannot be used here: \(error)")
      }
    }
  }
}

extension DeviceChoice {
  /// A rank's GPU among those of its machine, where rank 0 has number `first`.
  static func gpu(_ first: Int, of count: Int, localNumber: Int) throws -> Device {
    guard first < count else {
      throw RunError("--device cuda:\(first): there are \(count) GPUs here, numbered from 0.")
    }
    guard first + localNumber < count else {
      throw RunError(
        "rank \(localNumber) of this machine has no GPU: there are \(count), and rank 0 has cuda:\(first). Start "
          + "\(count - first) ranks here at most, or give --device cpu.")
    }
    return .cuda(first + localNumber)
  }
}

extension DeviceChoice: CustomStringConvertible {
  public var description: String {
    switch self {
    case .auto: "auto"
    case .named(let device): device.description
    }
  }
}
