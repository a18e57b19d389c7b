import Foundation
import Torch

/// A batch of views as bytes. Its memory returns to the loader when the batch is released.
package final class Batch {
  package let epoch: Int
  /// Place in the epoch.
  package let index: Int
  /// The sample shown in each row.
  package let indices: [Int]
  /// The sample that each row's random draws belong to: the sampler's choice, which differs from ``indices`` only
  /// where that one could not be read.
  package let drawIndices: [Int]
  /// Of each view.
  package let shapes: [ViewShape]
  /// One a view: N×H×W×3 bytes, N = `indices.count`. Valid as long as the batch lives.
  package let views: [UnsafeRawBufferPointer]
  /// Seconds that ``DataLoader/next()`` waited for it.
  package let waited: Double

  private let slot: BatchSlot
  private let queue: WorkerQueue

  package var count: Int { indices.count }

  /// In an evaluation pass the rows that could not be read are closed up.
  fileprivate init(_ slot: BatchSlot, _ queue: WorkerQueue, waited: Double) {
    let plan = queue.plan
    (epoch, index) = plan.position(slot.batch)
    shapes = plan.shapes
    (self.slot, self.queue, self.waited) = (slot, queue, waited)
    let samples = plan.samples(slot.batch)
    let good = slot.shown.indices.filter { slot.shown[$0] != nil }
    indices = slot.shown.compactMap { $0 }
    drawIndices = good.map { samples[$0] }
    views = zip(slot.views, queue.rowBytes).map { view, rowBytes in
      if let base = view.baseAddress {
        for (row, source) in good.enumerated() where row != source {
          (base + row * rowBytes).copyMemory(from: base + source * rowBytes, byteCount: rowBytes)
        }
      }
      return UnsafeRawBufferPointer(rebasing: view[..<(good.count * rowBytes)])
    }
  }

  deinit { queue.giveBack(slot) }
}

/// Reads, decodes and crops on threads of its own, a few batches ahead.
///
/// The batches depend on the data set, the transforms, the sampler and the start only, not on the number of
/// workers. Use it from one thread, and hold one batch at a time: more than `prefetch` held batches leave the workers
/// no memory. Releasing the loader ends its threads.
package final class DataLoader {
  private let queue: WorkerQueue
  private var nextBatch: Int
  private var failure: (any Error)?
  private var record: BadFileRecord

  /// Random views for training, epoch after epoch.
  ///
  /// - Parameters:
  ///   - dataset: The images.
  ///   - views: How each view is made; one or more, of any sizes.
  ///   - sampler: Its seed is that of the views too.
  ///   - workers: Threads, at least 1.
  ///   - prefetch: Batches that are made ahead.
  ///   - epoch: Where to start, together with `batch`; a resumed run gets what the unbroken one would have got.
  ///   - batch: Place in that epoch; the number of batches an epoch means the next one's beginning.
  ///   - endEpoch: The epoch to stop before; nil goes on for ever.
  ///   - maxBad: More unreadable images than this share end it.
  ///   - retries: How often a shard that breaks is started again.
  ///   - device: Where the batches will go.
  package convenience init(
    _ dataset: Dataset, views: [Transform], sampler: EpochSampler, workers: Int, prefetch: Int = 4,
    epoch: Int = 0, batch: Int = 0, endEpoch: Int? = nil, maxBad: Fraction = .fivePercent,
    retries: ShardRetries = ShardRetries(), device: Device = .cpu
  ) {
    precondition(!views.isEmpty, "no view to make")
    precondition(
      sampler.count == dataset.count,
      "a sampler of \(sampler.count) samples for a data set of \(dataset.count)")
    let perEpoch = sampler.batchesPerEpoch
    precondition(
      epoch >= 0 && (0...perEpoch).contains(batch), "start at epoch \(epoch), batch \(batch) of \(perEpoch)")
    self.init(
      BatchPlan(
        dataset: dataset, pass: .training(EpochOrders(sampler), views), first: epoch * perEpoch + batch,
        end: endEpoch.map { $0 * perEpoch }, retries: retries),
      workers: workers, prefetch: prefetch, maxBad: maxBad, device: device)
  }

  /// Every image once, in order, prepared for evaluation. Unreadable images are left out of their batch.
  package convenience init(
    evaluating dataset: Dataset, view: EvaluationView, batchSize: Int, workers: Int, prefetch: Int = 4,
    maxBad: Fraction = .fivePercent, device: Device = .cpu
  ) {
    precondition(batchSize >= 1, "batches of \(batchSize) images")
    self.init(
      BatchPlan(
        dataset: dataset, pass: .evaluation(batchSize: batchSize, view), first: 0,
        end: (dataset.count + batchSize - 1) / batchSize),
      workers: workers, prefetch: prefetch, maxBad: maxBad, device: device)
  }

  private init(_ plan: BatchPlan, workers: Int, prefetch: Int, maxBad: Fraction, device: Device) {
    precondition(workers >= 1 && prefetch >= 1, "\(workers) workers, \(prefetch) batches ahead")
    // One more for the batch that the consumer holds.
    queue = WorkerQueue(plan, workers: workers, slots: prefetch + 1, device: device)
    nextBatch = plan.first
    record = BadFileRecord(count: plan.dataset.count, allowed: maxBad)
    // At its first call of LibTorch a thread takes over the number of threads that was last set anywhere. The workers'
    // 1 must not become this thread's, nor that of later threads.
    let threads = Runtime.threads
    for number in 1...workers {
      let thread = Thread { [queue] in queue.work() }
      thread.name = "moco loader \(number)"
      thread.stackSize = 4 << 20
      thread.start()
    }
    queue.waitForWorkers()
    Runtime.threads = threads
  }

  deinit { queue.cancel() }

  /// Images that could not be read so far, in the order of the batches handed out.
  package var badFiles: [BadFile] { record.files }

  /// Shards that broke since the last call, a sentence each.
  package func takeWarnings() -> [String] { queue.plan.takeWarnings() }

  /// Whether ``next()`` would not wait.
  package var isReady: Bool {
    if failure != nil { return true }
    if let end = queue.plan.end, nextBatch >= end { return true }
    return queue.isReady(nextBatch)
  }

  /// The next batch in order, waiting for it if need be; nil after the last.
  ///
  /// - Throws: ``LoaderError``; then no further batch comes.
  package func next() throws -> Batch? {
    if let failure { throw failure }
    if let end = queue.plan.end, nextBatch >= end { return nil }
    let start = ContinuousClock.now
    do {
      let slot = try queue.take(nextBatch)
      let waited = (ContinuousClock.now - start) / .seconds(1)
      nextBatch += 1
      let batch = Batch(slot, queue, waited: waited)
      try record.record(seen: slot.rowCount, bad: slot.bad.sorted { $0.row < $1.row }.map(\.file))
      return batch
    } catch {
      failure = error
      throw error
    }
  }
}
