import Methods
import TestSupport
import Testing
import Torch

/// The ring once more, in plain Swift: one key at a time goes to the pointer, which goes round.
private struct Ring {
  var keys: [[Double]]
  var pointer = 0

  mutating func enqueue(_ new: [[Double]]) {
    for key in new {
      keys[pointer] = key
      pointer = (pointer + 1) % keys.count
    }
  }
}

@Suite struct KeyQueues {
  private func rows(_ tensor: Tensor) -> [[Double]] {
    let width = tensor.shape[1], values = tensor.array(of: Double.self)
    return (0..<tensor.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  @Test(arguments: [1, 2, 5, 8, 12], [1, 2, 3, 4, 5, 7, 8, 13, 29])
  func theLatestKeysReplaceTheOldest(capacity: Int, batch: Int) {
    let start = formula(salt: 1, shape: [capacity, 3])
    let queue = KeyQueue(keys: start.clone())
    var ring = Ring(keys: rows(start))
    for step in 0..<7 {
      // The batch changes, as the last one of an epoch does.
      let new = formula(salt: 2 + step, shape: [step % 3 == 2 ? max(1, batch / 2) : batch, 3])
      queue.enqueue(new)
      ring.enqueue(rows(new))
      #expect(queue.pointer == ring.pointer)
      #expect(rows(queue.keys) == ring.keys)
    }
  }

  @Test func aQueueContinuesFromAPointer() {
    let queue = KeyQueue(keys: Tensor([1.0, 2, 3], shape: [3, 1]), pointer: 2)
    queue.enqueue(Tensor([10.0, 20], shape: [2, 1]))
    #expect(queue.keys.array() == [20.0, 2, 10])
    #expect(queue.pointer == 1)
    queue.restore(pointer: 0)
    queue.enqueue(Tensor([30.0], shape: [1, 1]))
    #expect(queue.keys.array() == [30.0, 2, 10])
  }

  @Test func theKeysStayOneTensorOfOneType() {
    let queue = KeyQueue(capacity: 4, dimension: 2, using: Generator(seed: 1))
    let keys = queue.keys
    queue.enqueue(.ones([3, 2], dtype: .float64))
    #expect(queue.keys === keys && keys.dtype == .float32)
    #expect(queue.capacity == 4)
  }

  @Test func itStartsWithRandomDirectionsOfLengthOne() {
    func start(_ seed: UInt64) -> Tensor {
      KeyQueue(capacity: 100, dimension: 16, dtype: .float64, using: Generator(seed: seed)).keys
    }
    let keys = start(1)
    #expect(keys.shape == [100, 16] && keys.dtype == .float64)
    // Normalised in float32.
    #expect(keys.norm(dim: 1).array(of: Double.self).allSatisfy { abs($0 - 1) < 1e-6 })
    #expect(keys.array(of: Double.self) == start(1).array())
    #expect(keys.array(of: Double.self) != start(2).array())
  }

  /// Keys with a graph enter without it.
  @Test func whatIsEnqueuedIsCutOff() {
    let key = Tensor([1.0, 0], shape: [1, 2])
    key.requiresGrad = true
    let queue = KeyQueue(keys: .zeros([2, 2], dtype: .float64))
    queue.enqueue(key * 2)
    #expect(!queue.keys.requiresGrad)
    #expect(queue.keys.array() == [2.0, 0, 0, 0])
  }
}
