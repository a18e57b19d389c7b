import Data
import Files
import Images
import Models
import TensorBoard
import Torch

/// Everything that decides a pre-training run. A key of the YAML file is the name of the command-line option.
package struct RunConfig: Codable, Sendable, Equatable {
  package var method = MethodChoice.moco
  /// Where MoCo's dictionary comes from.
  package var mechanism = Mechanism.queue
  /// Where a memory bank is kept.
  package var bank = BankDevice.device

  // The network.
  package var arch = Architecture.resnet50
  /// The network's own unless given.
  package var stem: Stem?
  /// Heads of a vision transformer's attention; 12 unless given.
  package var heads: Int?
  /// A vision transformer's patch projection stays as it is drawn.
  package var stopGradConv1 = true

  // Momentum contrast.
  /// Size of a key *C*.
  package var mocoDim = 128
  /// Dictionary size *K*: keys in the queue, or rows that are drawn from a memory bank.
  package var mocoK = 65536
  /// Size of the hidden layers of projectors and predictors with batch normalisation: MoCo v3, BYOL, SimSiam.
  package var mocoMlpDim = 4096
  /// Momentum *m* of the key encoder, at the start.
  package var mocoM = 0.999
  /// Whether *m* goes to 1 by a cosine.
  package var mocoMCos = false
  /// Temperature *τ*.
  package var mocoT = 0.07
  /// A hidden layer in the head (v2).
  package var mlp = false
  /// Groups of batch normalisation, for ShuffleBN on one device.
  package var bnSplits = 1
  /// Whether keys are encoded in another order than queries, so that batch statistics do not give them away.
  package var shuffleBN = true
  /// Batch normalisation over all ranks' batches together; nothing is shuffled then.
  package var syncBN = false
  package var symmetric = false

  // Views.
  package var views = AugmentationPreset.v1
  /// Pixels of a view's side.
  package var imageSize = 224
  /// The smallest share of the image that a crop takes; the views' own unless given.
  package var cropScale: Double?

  /// Larger images are refused before they are decoded.
  package var maxPixels = DecodeLimits().maxPixels
  /// Turns photos as their camera says; the published code does not.
  package var exifOrientation = false
  /// Images of tar shards among which the next one is drawn; folders are shuffled whole.
  package var shuffleBuffer = 4096
  /// More unreadable images than this share stop the run.
  package var maxBad = Fraction.fivePercent

  // Optimization.
  package var epochs = 200
  /// Images of a step, of all ranks together.
  package var batchSize = 256
  /// Parts of a rank's batch that go through the network one after the other, for less memory.
  package var accumulate = 1
  package var optimizer = OptimizerChoice.sgd
  package var lr = 0.03
  package var momentum = 0.9
  package var wd = 1e-4
  package var schedule = Schedule.milestones([120, 160])
  /// Epochs in which the learning rate rises from 0, in every step.
  package var warmupEpochs = 0.0
  /// Of products and convolutions while training; weights and loss are float32 in any case.
  package var precision = Precision.float32
  /// Whether float32 products and convolutions on a GPU may be rounded to TF32.
  package var tf32 = false
  /// Stops after so many steps, whatever the epochs say.
  package var steps: Int?
  package var seed: UInt64 = 1

  // The machine. None of these changes what is computed; a GPU's graph may add in another order.
  package var device = DeviceChoice.auto
  /// Decoding threads; one a core unless given.
  package var workers: Int?
  package var cache = CacheChoice.none
  /// Whether the forward and backward passes are recorded as a CUDA graph where that is sound: on a GPU, with one rank,
  /// a batch in one part, and a method that does not need the CPU in between.
  package var cudaGraph = true
  /// Seconds that ranks wait for one another.
  package var timeout = 300
  /// Steps between comparisons of the ranks' weights and dictionaries.
  package var checkRanksEvery = 1000

  // What is kept and shown.
  /// Steps between checkpoints; unless given, at the end of each epoch and every ten minutes.
  package var saveEvery: Int?
  /// Checkpoints that stay on disk.
  package var keep = 2
  /// Steps between lines of the log.
  package var logEvery = 10

  // The kNN monitor.
  package var knnTrain: String?
  package var knnTest: String?
  /// Epochs between measurements.
  package var knnEvery = 1
  /// At most so many images of each set, evenly spaced; all unless given.
  package var knnLimit: Int?

  package init() {}

  package enum CodingKeys: String, CodingKey, CaseIterable {
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
package enum MethodChoice: String, Codable, Sendable, CaseIterable {
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
  package var cutsImages: Bool { [.cpc, .jigsaw, .relativePosition].contains(self) }
}

/// Where the keys that MoCo contrasts come from (He et al. 2020, figure 2).
package enum Mechanism: String, Codable, Sendable, CaseIterable {
  /// A queue of keys by the momentum encoder.
  case queue
  /// The batch, through a second encoder that is trained too.
  case endToEnd = "end-to-end"
  /// One row for every image, as it was when it was last seen.
  case memoryBank = "memory-bank"
}

/// Where a memory bank is kept. It does not change the result.
package enum BankDevice: String, Codable, Sendable, CaseIterable {
  /// Beside the network.
  case device
  /// In the machine's memory, where there is room for millions of images.
  case cpu
}

/// What moves the weights.
package enum OptimizerChoice: String, Codable, Sendable, CaseIterable {
  case sgd, lars, adamw
}

/// How the learning rate falls: `cosine`, or a list of epochs at each of which it falls to a tenth.
package enum Schedule: Codable, Sendable, Equatable {
  case cosine
  case milestones([Int])

  package init(from decoder: Decoder) throws {
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

  package func encode(to encoder: Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .cosine: try value.encode("cosine")
    case .milestones(let epochs): try value.encode(epochs)
    }
  }

  package var rate: LearningRateSchedule {
    switch self {
    case .cosine: .cosine
    case .milestones(let epochs): .step(milestones: epochs)
    }
  }
}

/// Whether decoded images are kept.
package enum CacheChoice: String, Codable, Sendable, CaseIterable {
  case none
  /// In the GPU's memory where one trains and they are of one size and 4 GB at most; else in the machine's, up to
  /// half of it.
  case memory
}

/// What `--device` says.
package enum DeviceChoice: Codable, Sendable, Equatable {
  /// A GPU if there is one, else the CPU.
  case auto
  case named(Device)

  /// `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
  package init?(_ text: String) {
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

  package init(from decoder: Decoder) throws {
    let value = try decoder.singleValueContainer()
    let text = try value.decode(String.self)
    guard let choice = DeviceChoice(text) else {
      throw DecodingError.dataCorruptedError(
        in: value, debugDescription: "`\(text)` is none of auto, cpu, cuda, cuda:1, mps")
    }
    self = choice
  }

  package func encode(to encoder: Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(description)
  }

  /// The device, or why it cannot be had.
  /// - Parameter localNumber: of several ranks on a machine each takes a GPU of its own: the first the one that is named,
  ///   or number 0, and the others those that follow it.
  package func resolve(localNumber: Int = 0) throws -> Device {
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
  package static func gpu(_ first: Int, of count: Int, localNumber: Int) throws -> Device {
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
  package var description: String {
    switch self {
    case .auto: "auto"
    case .named(let device): device.description
    }
  }
}
