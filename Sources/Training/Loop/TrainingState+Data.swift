import Data
import Weights

extension TrainingState {
  private static let fingerprintName = "data"
  private static let lanesName = "lanes"
  private static let stepsOfKeysName = "steps-of-keys"

  /// A state that names its images.
  /// - Parameters:
  ///   - mixing: How shards are mixed; nil for other images.
  ///   - fingerprint: The images.
  ///   - kernels: The kernels that computed the run.
  init(
    step: Int, epoch: Int, batch: Int, seed: UInt64, queuePointer: Int?, configHash: String,
    optimizerSteps: Int?, lastLoss: Double?, mixing: ShardMixing?, data fingerprint: UInt32,
    kernels: String?
  ) {
    var extra = [TrainingState.fingerprintName: Double(fingerprint)]
    if case .lanes(let lanes) = mixing { extra[TrainingState.lanesName] = Double(lanes) }
    self.init(
      step: step, epoch: epoch, batch: batch, seed: seed, queuePointer: queuePointer, configHash: configHash,
      optimizerSteps: optimizerSteps, lastLoss: lastLoss, kernels: kernels, extra: extra)
  }

  /// How the run mixes shards. The first versions of this program had no lanes.
  var mixing: ShardMixing {
    extra[TrainingState.lanesName].flatMap(Int.init(exactly:)).map { .lanes($0) } ?? .slidingBuffers
  }

  /// See ``Learner/stepsOfKeys``.
  var stepsOfKeys: Int {
    get {
      extra[TrainingState.stepsOfKeysName].flatMap(Int.init(exactly:)).map { min(max(0, $0), 1 << 40) } ?? 0
    }
    set { extra[TrainingState.stepsOfKeysName] = newValue > 0 ? Double(newValue) : nil }
  }

  func isOn(data fingerprint: UInt32) -> Bool { extra[TrainingState.fingerprintName] == Double(fingerprint) }
}
