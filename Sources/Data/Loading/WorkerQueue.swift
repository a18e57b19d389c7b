import Foundation
import Torch

/// The memory of one batch, used again and again.
final class BatchSlot {
  /// One a view: batch size × the bytes of its shape.
  let views: [UnsafeMutableRawBufferPointer]
  private let memory: [PinnedBuffer]
  // Until the batch is taken the rest is protected by the queue's lock.
  var batch = 0
  var nextRow = 0
  var rowCount = 0
  var finishedRows = 0
  /// The sample shown in each row; nil where none could be.
  var shown: [Int?] = []
  var bad: [(row: Int, file: BadFile)] = []

  /// - Parameters:
  ///   - shapes: Of each view.
  ///   - rows: The batch size.
  ///   - device: Where the batches will go.
  init(_ shapes: [ViewShape], rows: Int, device: Device) {
    memory = shapes.map { PinnedBuffer(rows * $0.bytes, for: device) }
    self.views = memory.map(\.bytes)
  }

  /// Each view's bytes of a row.
  func memory(ofRow row: Int, _ rowBytes: [Int]) -> [UnsafeMutableRawBufferPointer] {
    views.indices.map {
      UnsafeMutableRawBufferPointer(rebasing: views[$0][row * rowBytes[$0]..<(row + 1) * rowBytes[$0]])
    }
  }

  func begin(_ batch: Int, rowCount: Int) {
    (self.batch, self.rowCount, nextRow, finishedRows) = (batch, rowCount, 0, 0)
    shown = Array(repeating: nil, count: rowCount)
    bad = []
  }
}

/// The state that the workers and the consumer share: batches in order, handed to the workers a few rows at a time,
/// so that all of them fill the batch that is needed next.
final class WorkerQueue: @unchecked Sendable {  // Every variable is only touched with the lock held.
  let plan: BatchPlan
  private let rowsPerTask: Int
  /// Bytes of a sample's row in each view.
  let rowBytes: [Int]
  private let changed = NSCondition()
  private var free: [BatchSlot]
  private var open: BatchSlot?
  private var finished: [Int: BatchSlot] = [:]
  private var nextBatch: Int
  private var isCancelled = false
  /// The first one; no further batch is finished after it.
  private var failure: LoaderError?
  private let workers: Int
  private var started = 0
  private var ended = 0

  init(_ plan: BatchPlan, workers: Int, slots: Int, device: Device) {
    self.plan = plan
    self.workers = workers
    rowsPerTask = max(1, min(32, plan.batchSize / (4 * workers)))
    rowBytes = plan.shapes.map(\.bytes)
    free = (0..<slots).map { _ in BatchSlot(plan.shapes, rows: plan.batchSize, device: device) }
    nextBatch = plan.first
  }

  // MARK: Workers

  /// Runs a worker until the end.
  func work() {
    _ = Runtime.threads  // LibTorch sets a thread up at its first use, over what was set before
    Runtime.threads = 1
    changed.lock()
    started += 1
    changed.broadcast()
    changed.unlock()
    let scratch = ViewScratch()
    while let (slot, rows) = takeRows() { fill(slot, rows, using: scratch) }
    changed.lock()
    ended += 1
    changed.broadcast()
    changed.unlock()
  }

  /// Waits for rows to fill; nil at the end.
  private func takeRows() -> (BatchSlot, Range<Int>)? {
    changed.lock()
    defer { changed.unlock() }
    while !isCancelled {
      if let slot = open {
        let rows = slot.nextRow..<min(slot.nextRow + rowsPerTask, slot.rowCount)
        slot.nextRow = rows.upperBound
        if slot.nextRow == slot.rowCount { open = nil }
        return (slot, rows)
      }
      if let end = plan.end, nextBatch >= end { return nil }
      if let slot = free.popLast() {
        slot.begin(nextBatch, rowCount: plan.rowCount(nextBatch))
        nextBatch += 1
        open = slot
        changed.broadcast()
      } else {
        changed.wait()
      }
    }
    return nil
  }

  /// Rows of different workers do not overlap; all else goes through the lock at the end.
  private func fill(_ slot: BatchSlot, _ rows: Range<Int>, using scratch: ViewScratch) {
    let samples = plan.samples(slot.batch)
    var shown: [Int?] = []
    var bad: [(row: Int, file: BadFile)] = []
    do {
      for row in rows {
        let outcome = try plan.write(
          samples[row], batch: slot.batch, row: row, to: slot.memory(ofRow: row, rowBytes), using: scratch)
        shown.append(outcome.shown)
        if let file = outcome.bad { bad.append((row, file)) }
      }
    } catch {
      // The remaining rows will never be read; readers of other rows of a shard must not wait for them.
      fail(error as? LoaderError ?? .failed("\(error)"))
      return
    }
    changed.lock()
    defer { changed.unlock() }
    slot.shown.replaceSubrange(rows, with: shown)
    slot.bad += bad
    slot.finishedRows += rows.count
    if slot.finishedRows == slot.rowCount {
      finished[slot.batch] = slot
      changed.broadcast()
    }
  }

  private func fail(_ error: LoaderError) {
    changed.lock()
    failure = failure ?? error
    isCancelled = true
    changed.broadcast()
    changed.unlock()
    plan.cancel()
  }

  // MARK: Consumer

  /// Returns when every worker has set its number of threads.
  func waitForWorkers() {
    changed.lock()
    defer { changed.unlock() }
    while started < workers { changed.wait() }
  }

  /// Waits for a batch.
  ///
  /// - Throws: The first failure, where the batch is not finished.
  func take(_ batch: Int) throws(LoaderError) -> BatchSlot {
    changed.lock()
    defer { changed.unlock() }
    while true {
      if let slot = finished.removeValue(forKey: batch) { return slot }
      if let failure { throw failure }
      changed.wait()
    }
  }

  /// Whether ``take(_:)`` would not wait.
  func isReady(_ batch: Int) -> Bool {
    changed.lock()
    defer { changed.unlock() }
    return finished[batch] != nil || failure != nil
  }

  func giveBack(_ slot: BatchSlot) {
    changed.lock()
    free.append(slot)
    changed.broadcast()
    changed.unlock()
  }

  /// Returns when no worker is left; each finishes the rows it has.
  func cancel() {
    changed.lock()
    defer { changed.unlock() }
    isCancelled = true
    changed.broadcast()
    plan.cancel()
    while ended < workers { changed.wait() }
  }
}
