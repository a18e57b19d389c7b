import Foundation

/// `body` of 0 …< count on threads of its own, results in order. After an error no further one begins, and the first
/// in order of those that came is thrown.
///
/// - Parameter each: Called after each success, on any of the threads but never on two at once, with how many there
///   were.
@discardableResult
package func inParallel<Value: Sendable, Failure: Error>(
  _ count: Int, threads: Int, each: ((Int) -> Void)? = nil,
  _ body: @escaping @Sendable (Int) throws(Failure) -> Value
) throws(Failure) -> [Value] {
  let threads = max(1, min(threads, count))
  return try withoutActuallyEscaping(each ?? { _ in }) { each throws(Failure) in
    let work = ParallelWork(count, threads: threads, each: each, body)
    for number in 1...threads {
      let thread = Thread { work.run() }
      thread.name = "moco worker \(number)"
      thread.stackSize = 4 << 20
      thread.start()
    }
    return try work.finish()
  }
}

/// Variables need the lock.
private final class ParallelWork<Value: Sendable, Failure: Error>: @unchecked Sendable {
  private let changed = NSCondition()
  private let body: @Sendable (Int) throws(Failure) -> Value
  private var each: ((Int) -> Void)?
  private var results: [Value?]
  private var failures: [Int: Failure] = [:]
  private var next = 0
  private var done = 0
  private var running: Int

  init(
    _ count: Int, threads: Int, each: @escaping (Int) -> Void,
    _ body: @escaping @Sendable (Int) throws(Failure) -> Value
  ) {
    results = Array(repeating: nil, count: count)
    running = threads
    (self.each, self.body) = (each, body)
  }

  func run() {
    while let index = begin() {
      let result = Result { () throws(Failure) in try body(index) }
      changed.lock()
      switch result {
      case .success(let value):
        results[index] = value
        done += 1
        each?(done)
      case .failure(let error): failures[index] = error
      }
      changed.unlock()
    }
    changed.lock()
    running -= 1
    changed.broadcast()
    changed.unlock()
  }

  private func begin() -> Int? {
    changed.lock()
    defer { changed.unlock() }
    guard next < results.count, failures.isEmpty else { return nil }
    defer { next += 1 }
    return next
  }

  func finish() throws(Failure) -> [Value] {
    changed.lock()
    defer { changed.unlock() }
    while running > 0 { changed.wait() }
    each = nil
    if let first = failures.min(by: { $0.key < $1.key }) { throw first.value }
    return results.compactMap { $0 }
  }
}
