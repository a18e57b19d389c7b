import Foundation
import Torch

/// A batch of pictures as bytes. Its memory returns to the loader when the batch goes.
public final class Batch {
  public let epoch: Int
  /// Place in the epoch.
  public let index: Int
  /// The sample shown in each row.
  public let indices: [Int]
  /// The sample that each row's random draws belong to: the sampler's choice, which differs from ``indices`` only
  /// where that one could not be read.
  public let drawIndices: [Int]
  /// One a view: N×S×S×3 bytes, N = `indices.count`. Valid as long as the batch lives.
  public let views: [UnsafeRawBufferPointer]
  /// Seconds that ``DataLoader/next()`` waited for it.
  public let waited: Double

  private let slot: BatchSlot
  private let queue: WorkerQueue

  public var count: Int { indices.count }

  /// In an evaluation pass the rows that could not be read are closed up.
  fileprivate init(_ slot: BatchSlot, _ queue: WorkerQueue, waited: Double) {
    let plan = queue.plan
    (epoch, index) = plan.position(slot.batch)
    (self.slot, self.queue, self.waited) = (slot, queue, waited)
    let samples = plan.samples(slot.batch)
    let good = slot.shown.indices.filter { slot.shown[$0] != nil }
    indices = slot.shown.compactMap { $0 }
    drawIndices = good.map { samples[$0] }
    for view in slot.views {
      guard let base = view.baseAddress else { continue }
      for (row, source) in good.enumerated() where row != source {
        (base + row * plan.rowBytes).copyMemory(from: base + source * plan.rowBytes, byteCount: plan.rowBytes)
      }
    }
    views = slot.views.map { UnsafeRawBufferPointer(rebasing: $0[..<(good.count * plan.rowBytes)]) }
  }

  deinit { queue.giveBack(slot) }
}

/// Reads, decodes and crops on threads of its own, a few batches ahead.
///
/// What comes out depends on the data set, the recipes, the sampler and the start only, not on the number of
/// workers. Use it from one thread, and hold one batch at a time: more than `prefetch` held batches leave the workers
/// no memory. Letting go of the loader ends its threads.
public final class DataLoader {
  private let queue: WorkerQueue
  private var nextBatch: Int
  private var failure: (any Error)?
  private var record: BadFileRecord

  /// Random views for training, epoch after epoch.
  ///
  /// - Parameters:
  ///   - dataset: The images.
  ///   - views: A recipe a view, all of the same image size.
  ///   - sampler: Its seed is that of the views too.
  ///   - workers: Threads, at least 1.
  ///   - prefetch: Batches that may be ready before they are asked for.
  ///   - epoch: Where to start, together with `batch`; a resumed run gets what the unbroken one would have got.
  ///   - batch: Place in that epoch; the number of batches an epoch means the next one's beginning.
  ///   - endEpoch: The epoch to stop before; nil goes on for ever.
  ///   - maxBad: More unreadable images than this share end it.
  ///   - device: Where the batches will go.
  public convenience init(
    _ dataset: Dataset, views: [Transform], sampler: EpochSampler, workers: Int, prefetch: Int = 4,
    epoch: Int = 0, batch: Int = 0, endEpoch: Int? = nil, maxBad: Fraction = .fivePercent,
    device: Device = .cpu
  ) {
    precondition(!views.isEmpty, "no view to make")
    let imageSize = views[0].imageSize
    precondition(
      views.allSatisfy { $0.imageSize == imageSize }, "views of unequal sizes \(views.map(\.imageSize))")
    precondition(
      sampler.count == dataset.count,
      "a sampler of \(sampler.count) samples for a data set of \(dataset.count)")
    let perEpoch = sampler.batchesPerEpoch
    precondition(
      epoch >= 0 && (0...perEpoch).contains(batch), "start at epoch \(epoch), batch \(batch) of \(perEpoch)")
    self.init(
      BatchPlan(
        dataset: dataset, pass: .training(EpochOrders(sampler), recipes: views), imageSize: imageSize,
        first: epoch * perEpoch + batch, end: endEpoch.map { $0 * perEpoch }),
      workers: workers, prefetch: prefetch, maxBad: maxBad, device: device)
  }

  /// Every image once, in order, as evaluation sees it: the short side resized to 256/224 of the image size, the
  /// centre cut out, images that have the size left alone. Unreadable images are left out of their batch.
  public convenience init(
    evaluating dataset: Dataset, imageSize: Int, batchSize: Int, workers: Int, prefetch: Int = 4,
    maxBad: Fraction = .fivePercent,
    device: Device = .cpu
  ) {
    precondition(batchSize >= 1 && imageSize >= 1, "batches of \(batchSize) images of \(imageSize) pixels")
    self.init(
      BatchPlan(
        dataset: dataset, pass: .evaluation(batchSize: batchSize), imageSize: imageSize, first: 0,
        end: (dataset.count + batchSize - 1) / batchSize),
      workers: workers, prefetch: prefetch, maxBad: maxBad, device: device)
  }

  private init(_ plan: BatchPlan, workers: Int, prefetch: Int, maxBad: Fraction, device: Device) {
    precondition(workers >= 1 && prefetch >= 1, "\(workers) workers, \(prefetch) batches ahead")
    // One more for the batch that the consumer holds.
    queue = WorkerQueue(plan, workers: workers, slots: prefetch + 1, device: device)
    nextBatch = plan.first
    record = BadFileRecord(count: plan.dataset.count, allowed: maxBad)
    // A thread that first meets LibTorch gets the number of threads that was last set anywhere. The workers' 1 must
    // not become this thread's, nor that of threads to come.
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
  public var badFiles: [BadFile] { record.files }

  /// Whether ``next()`` would not wait.
  public var isReady: Bool {
    if failure != nil { return true }
    if let end = queue.plan.end, nextBatch >= end { return true }
    return queue.isReady(nextBatch)
  }

  /// The next batch in order, waiting for it if need be; nil after the last.
  ///
  /// - Throws: ``LoaderError``; then no further batch comes.
  public func next() throws -> Batch? {
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
