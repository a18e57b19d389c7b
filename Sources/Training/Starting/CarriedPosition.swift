import Data
import Files
import Methods
import Weights

/// Where a run goes on that is carried into a new folder.
struct CarriedPosition: Equatable {
  var step: Int
  var epoch: Int
  var batch: Int
  /// How shards are mixed from now on; without a meaning for other images.
  var mixing: ShardMixing
  /// Whether the images are those of the old run.
  var isOnSameImages: Bool
  /// A sentence without a full stop; nil where the position is the old one.
  var note: String?

  /// As many images into the same epoch, where its order is still the same; else the epoch begins anew.
  /// - Parameters:
  ///   - state: of the old run.
  ///   - old: the old run's configuration.
  ///   - new: the new run's.
  ///   - images: the data set's number of images, at least a batch.
  ///   - shards: the number of its shards; nil where it has none.
  ///   - fingerprint: the data set's.
  ///   - ranks: the processes that train together.
  /// - Throws: `RunError` where the state holds numbers that no run reaches.
  init(
    of state: TrainingState, _ old: RunConfig, _ new: RunConfig, images: Int, shards: Int?,
    fingerprint: UInt32,
    ranks: Int
  ) throws {
    isOnSameImages = state.isOn(data: fingerprint)
    let hasSameLanes = old.batchSize == new.batchSize && old.shuffleBuffer == new.shuffleBuffer
    let keepsOrder = isOnSameImages && old.seed == new.seed && (shards == nil || hasSameLanes)
    mixing =
      keepsOrder || shards == nil
      ? state.mixing
      : .lanes(LaneOrder.lanes(batchSize: new.batchSize, ranks: ranks, shards: shards ?? 1))

    let limit = 1 << 40  // products with a batch or an epoch's steps stay below 2^63
    guard [state.step, state.epoch, state.batch].allSatisfy({ (0...limit).contains($0) }), old.batchSize > 0,
      old.batchSize <= 1_000_000, images / new.batchSize < 1 << 22 || state.epoch < 1 << 20
    else {
      throw RunError("its state is at step \(state.step) of epoch \(state.epoch), which no run reaches.")
    }
    epoch = state.epoch
    batch = keepsOrder ? state.batch * old.batchSize / new.batchSize : 0
    step = epoch * (images / new.batchSize) + batch
    if keepsOrder, old.batchSize == new.batchSize { step = state.step }
    note = sentence(state, keepsOrder: keepsOrder)
  }

  private func sentence(_ state: TrainingState, keepsOrder: Bool) -> String? {
    let moved = "step \(state.step) there is step \(step) here"
    if state.batch > 0, !keepsOrder {
      return "position: epoch \(epoch) begins anew, and \(moved)"
    }
    return step == state.step ? nil : "position: \(moved)"
  }
}
