import Data
import Distributed
import Evaluation
import Files
import Foundation
import Images
import Methods
import Models
import Torch
import Weights

// The parts of a run, made from its configuration.

extension RunConfig {
  /// The query encoder.
  package var encoderSpec: EncoderSpec {
    EncoderSpec(
      arch: self.arch, stem: self.stem, heads: self.heads,
      pooling: self.pooling == .token ? nil : self.pooling, imageSize: self.imageSize,
      normalization: self.views.normalization, head: kind.head(self))
  }

  /// The method with initial weights, drawn from the seed: the same in every rank.
  /// - Parameters:
  ///   - images: The number of images in the data set, for a memory bank.
  ///   - device: The device of the training.
  ///   - ranks: The processes that train together.
  package func makeMethod(images: Int, on device: Device, ranks: ProcessGroup) -> any Method {
    kind.make(
      self,
      MethodContext(self, spec: encoderSpec, images: images, on: device, ranks: ranks, seed: self.seed))
  }

  /// The query encoder before the first step. It does not depend on the size of a memory bank.
  package func makeUntrainedEncoder(on device: Device) throws -> ImageEncoder {
    try withTorchErrors { makeMethod(images: 1, on: device, ranks: .alone).encoderQ }
  }

  package func makeOptimizer(_ parameters: [Tensor]) -> any Optimizer {
    switch self.optimizer {
    case .sgd: SGD(parameters, momentum: self.momentum, weightDecay: self.wd)
    case .lars: LARS(parameters, momentum: self.momentum, weightDecay: self.wd)
    case .adamw:
      AdamW(
        parameters, beta2: kind.beta2, weightDecay: self.wd, decaysVectors: kind.decaysVectors)
    }
  }

  /// The augmentations, at the image size.
  package var transform: MultiViewTransform { transform(side: self.imageSize) }

  /// The augmentations that make views of a side in pixels.
  func transform(side: Int) -> MultiViewTransform {
    self.views.transform(imageSize: side, cropScale: self.cropScale)
  }

  /// The order of a rank's images.
  /// - Parameter state: That the run goes on from; nil for a new run.
  func sampler(_ dataset: Dataset, _ context: RankContext, _ state: TrainingState?) -> EpochSampler {
    EpochSampler(
      dataset, batchSize: self.batchSize, seed: self.seed, shuffleBuffer: self.shuffleBuffer,
      rank: context.rank, dealt: dealing, mixing: state?.mixing)
  }

  /// A decoder with the limits of training.
  package var decoder: ImageDecoder {
    ImageDecoder(
      limits: .allowing(pixels: self.maxPixels), appliesOrientation: self.exifOrientation, depth: self.depth)
  }

  /// The field of shards that is the image; nil for WebDataset's rule.
  package var imageField: String? { self.imageKey.flatMap { ImageRule.fieldName($0) } }

  /// How often a shard that breaks is started again. Where ranks wait for one another, a shard that stays away is given
  /// up in half of the time that they wait: the images that take its place must be read too.
  /// - Parameters:
  ///   - ranks: The processes that train together.
  ///   - pause: Seconds before the first time.
  package func shardRetries(ranks: Int, pause: Double = 1) -> ShardRetries {
    ranks > 1
      ? ShardRetries(count: self.retries, pause: pause, within: Double(self.timeout) / 2)
      : ShardRetries(count: self.retries, pause: pause)
  }

  package var workerCount: Int {
    self.workers ?? Cores.usable
  }

  /// The settings for evaluating a checkpoint of this run.
  package var evaluationInput: EvaluationInput { evaluationInput(of: encoderSpec) }

  /// The same for an encoder whose images may be others than the run's.
  package func evaluationInput(of spec: EncoderSpec) -> EvaluationInput {
    EvaluationInput(
      spec, decoder: decoder, workers: workerCount, maxBad: self.maxBad,
      shuffleBuffer: self.shuffleBuffer, imageKey: imageField)
  }

  /// The bytes of decoded images that `--cache memory` keeps on a GPU.
  static let deviceCacheLimit = 4 << 30

  /// The bytes of decoded images that `--cache memory` keeps: half of the machine's memory, or of the
  /// container's.
  static var cacheLimit: Int {
    let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let container = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    return min(
      machine, container.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? machine) / 2
  }

  // MARK: - Schedules

  /// The number of epochs; nil if the run's length is given in minutes, or in steps, as its schedule is. A run that is
  /// older than `bn-splits-per`, and so has groups on each rank, ends by either number, as when it began.
  package var epochCount: Int? {
    if self.minutes != nil { return nil }
    if case .step = self.schedule, self.steps != nil, self.bnSplitsPer == .batch { return nil }
    return self.epochs
  }

  /// Whether the number of steps is still to be decided, by measuring.
  package var isUndecided: Bool { self.minutes != nil && self.steps == nil }

  /// The number of steps of the whole run; without a limit while it is undecided.
  package func totalSteps(of stepsPerEpoch: Int) -> Int {
    let steps = self.steps ?? .max
    return epochCount.map { min(steps, $0 * stepsPerEpoch) } ?? steps
  }

  /// The sides of the views in pixels, in the order of the run.
  package var viewSides: [Int] { self.imageSizes?.all ?? [self.imageSize] }

  /// The side of a step's views in pixels. Each has an equal share of the steps of all epochs, or of those that were
  /// decided from minutes: a run that `--steps` ends early sees the same views until then.
  package func viewSide(step: Int, stepsPerEpoch: Int) -> Int {
    let sides = viewSides
    let all = self.minutes == nil ? self.epochs * stepsPerEpoch : totalSteps(of: stepsPerEpoch)
    return sides[min(step * sides.count / all, sides.count - 1)]
  }

  /// The same for a data set: an epoch leaves out an incomplete last batch.
  package func totalSteps(images: Int) -> Int { totalSteps(of: images / self.batchSize) }

  /// The learning rate and momentum of a step, counted from 0. The learning rate changes in every step for
  /// MoCo v3, with a warm-up, and within minutes; otherwise in every epoch, as in the published code. Within minutes the
  /// whole schedule of ``RunKeys/epochs`` lies in the decided steps.
  package func hyperparameters(step: Int, stepsPerEpoch: Int) -> StepHyperparameters {
    let isWithinMinutes = self.minutes != nil
    let epoch =
      if isWithinMinutes, let steps = self.steps {
        Double(step) * Double(self.epochs) / Double(steps)
      } else {
        Double(step) / Double(stepsPerEpoch)
      }
    let isPerStep =
      self.schedule == .cosine && (kind.schedulesPerStep || self.warmupEpochs > 0 || isWithinMinutes)
    return StepHyperparameters(
      learningRate: self.schedule.rate(
        base: self.lr, epoch: isPerStep ? epoch : epoch.rounded(.down), epochs: self.epochs,
        warmUp: isPerStep ? self.warmupEpochs : 0, step: step),
      momentum: (self.mocoMCos ? MomentumSchedule.cosineToOne : .constant)
        .momentum(base: self.mocoM, progress: min(1, epoch / Double(self.epochs))))
  }
}

/// The hyperparameters that change from step to step.
package struct StepHyperparameters: Equatable {
  package var learningRate: Double
  /// The key encoder's momentum *m*.
  package var momentum: Double
}
