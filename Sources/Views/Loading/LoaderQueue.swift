import Foundation
import Torch

/// The memory of one batch, used again and again.
final class BatchSlot {
  /// One a view, batch size × row bytes.
  let views: [UnsafeMutableRawBufferPointer]
  // The rest belongs to the queue's lock until the batch is taken.
  var batch = 0
  var nextRow = 0
  var rowCount = 0
  var finishedRows = 0
  /// The sample shown in each row; nil where none could be.
  var shown: [Int?] = []
  var bad: [(row: Int, file: BadFile)] = []
  var failure: LoaderError?

  init(views: Int, bytes: Int) {
    self.views = (0..<views).map { _ in .allocate(byteCount: bytes, alignment: 64) }
  }

  deinit { views.forEach { $0.deallocate() } }

  func begin(_ batch: Int, rowCount: Int) {
    (self.batch, self.rowCount, nextRow, finishedRows) = (batch, rowCount, 0, 0)
    shown = Array(repeating: nil, count: rowCount)
    bad = []
    failure = nil
  }
}

/// What the workers and the consumer share: batches in order, handed to the workers a few rows at a time, so that
/// all of them fill the batch that is needed next.
final class LoaderQueue: @unchecked Sendable {  // Every variable is only touched with the lock held.
  let plan: LoadPlan
  private let rowsPerTask: Int
  private let changed = NSCondition()
  private var free: [BatchSlot]
  private var open: BatchSlot?
  private var finished: [Int: BatchSlot] = [:]
  private var nextBatch: Int
  private var isCancelled = false
  private let workers: Int
  private var started = 0
  private var ended = 0

  init(_ plan: LoadPlan, workers: Int, slots: Int) {
    self.plan = plan
    self.workers = workers
    rowsPerTask = max(1, min(32, plan.batchSize / (4 * workers)))
    free = (0..<slots).map { _ in BatchSlot(views: plan.viewCount, bytes: plan.batchSize * plan.rowBytes) }
    nextBatch = plan.first
  }

  // MARK: Workers

  /// A worker's whole life.
  func work() {
    _ = Runtime.threads  // LibTorch sets a thread up at its first use, over what was set before
    Runtime.threads = 1
    changed.lock()
    started += 1
    changed.broadcast()
    changed.unlock()
    while let (slot, rows) = takeRows() { fill(slot, rows) }
    changed.lock()
    ended += 1
    changed.broadcast()
    changed.unlock()
  }

  /// Waits for rows to fill; nil when there will be none.
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
  private func fill(_ slot: BatchSlot, _ rows: Range<Int>) {
    let samples = plan.samples(slot.batch)
    var shown: [Int?] = []
    var bad: [(row: Int, file: BadFile)] = []
    var failure: LoaderError?
    do {
      for row in rows {
        let memory = slot.views.map {
          UnsafeMutableRawBufferPointer(rebasing: $0[row * plan.rowBytes..<(row + 1) * plan.rowBytes])
        }
        let outcome = try plan.write(samples[row], batch: slot.batch, to: memory)
        shown.append(outcome.shown)
        if let file = outcome.bad { bad.append((row, file)) }
      }
    } catch {
      failure = error as? LoaderError ?? .failed("\(error)")
      shown += Array(repeating: nil, count: rows.count - shown.count)
    }
    changed.lock()
    defer { changed.unlock() }
    slot.shown.replaceSubrange(rows, with: shown)
    slot.bad += bad
    slot.failure = slot.failure ?? failure
    slot.finishedRows += rows.count
    if slot.finishedRows == slot.rowCount {
      finished[slot.batch] = slot
      changed.broadcast()
    }
  }

  // MARK: Consumer

  /// Returns when every worker has set its number of threads.
  func waitForWorkers() {
    changed.lock()
    defer { changed.unlock() }
    while started < workers { changed.wait() }
  }

  /// Waits for a batch.
  func take(_ batch: Int) -> BatchSlot {
    changed.lock()
    defer { changed.unlock() }
    while true {
      if let slot = finished.removeValue(forKey: batch) { return slot }
      changed.wait()
    }
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
    while ended < workers { changed.wait() }
  }
}
