import Foundation
import Torch

/// Values by number, each made on one of several threads, a bounded number ahead of the consumer. They come in order,
/// whatever the number of threads.
///
/// Values have sizes of their own, as images of a detector do; ``WorkerQueue`` fills pinned memory of one size, many rows
/// a thread.
final class LoadAhead<Value: Sendable>: @unchecked Sendable {  // Variables need the lock.
  private let make: @Sendable (Int, ViewScratch) throws -> Value
  private let end: Int?
  private let ahead: Int
  private let workers: Int
  private let changed = NSCondition()
  private var next: Int
  /// The number that the consumer waits for, or will.
  private var wanted: Int
  private var made: [Int: Result<Value, any Error>] = [:]
  private var started = 0
  private var ended = 0
  private var isCancelled = false

  /// - Parameters:
  ///   - end: The number to stop before; nil never stops.
  ///   - ahead: How many values are kept at most.
  ///   - make: Called on the threads, each with a scratch of its own.
  init(
    from first: Int, to end: Int?, ahead: Int, workers: Int,
    _ make: @escaping @Sendable (Int, ViewScratch) throws -> Value
  ) {
    precondition(ahead >= 1 && workers >= 1, "\(workers) workers, \(ahead) ahead")
    (self.make, self.end, self.ahead, self.workers) = (make, end, ahead, workers)
    (next, wanted) = (first, first)
  }

  /// Starts the threads. See ``DataLoader`` for the number of LibTorch's.
  func start() {
    let threads = Runtime.threads
    for number in 1...workers {
      let thread = Thread { self.work() }
      thread.name = "moco loader \(number)"
      thread.stackSize = 4 << 20
      thread.start()
    }
    changed.lock()
    while started < workers { changed.wait() }
    changed.unlock()
    Runtime.threads = threads
  }

  private func work() {
    _ = Runtime.threads  // LibTorch sets a thread up at its first use, over what was set before
    Runtime.threads = 1
    let scratch = ViewScratch()
    changed.lock()
    started += 1
    changed.broadcast()
    while true {
      while !isCancelled, end.map({ next < $0 }) ?? true, next >= wanted + ahead { changed.wait() }
      guard !isCancelled, end.map({ next < $0 }) ?? true else { break }
      let number = next
      next += 1
      changed.unlock()
      let result = Result { try make(number, scratch) }
      changed.lock()
      made[number] = result
      changed.broadcast()
    }
    ended += 1
    changed.broadcast()
    changed.unlock()
  }

  /// Waits for the next value; nil after the last.
  func take() throws -> Value? {
    changed.lock()
    defer { changed.unlock() }
    if let end, wanted >= end { return nil }
    while true {
      if let result = made.removeValue(forKey: wanted) {
        wanted += 1
        changed.broadcast()
        return try result.get()
      }
      precondition(!isCancelled, "values are taken after the end")
      changed.wait()
    }
  }

  /// Whether the next `count` values, or those that are left, are made.
  func isReady(_ count: Int) -> Bool {
    changed.lock()
    defer { changed.unlock() }
    let stop = end.map { min($0, wanted + count) } ?? wanted + count
    return wanted >= stop || (wanted..<stop).allSatisfy { made[$0] != nil }
  }

  /// Returns when no thread is left; each finishes its value.
  func cancel() {
    changed.lock()
    defer { changed.unlock() }
    isCancelled = true
    changed.broadcast()
    while ended < workers { changed.wait() }
  }
}
