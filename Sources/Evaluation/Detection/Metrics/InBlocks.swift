import Dispatch
import Synchronization

/// Runs `body` on blocks of 0 ..< count on all cores. Each block's work is its own: no order is kept.
func inBlocks(_ count: Int, of size: Int, _ body: (Range<Int>) -> Void) {
  let blocks = (count + size - 1) / size
  if blocks <= 1 {
    if count > 0 { body(0..<count) }
    return
  }
  withoutActuallyEscaping(body) { body in
    nonisolated(unsafe) let work = body  // each block touches memory of its own
    DispatchQueue.concurrentPerform(iterations: blocks) { block in
      work(block * size..<min(count, (block + 1) * size))
    }
  }
}

/// The error of the earliest block that had one.
final class FirstFailure: Sendable {
  private let state = Mutex<(place: Int, error: any Error)?>(nil)

  func record(_ error: any Error, at place: Int) {
    state.withLock { if place < $0?.place ?? .max { $0 = (place, error) } }
  }

  func check() throws {
    if let error = state.withLock({ $0?.error }) { throw error }
  }
}
