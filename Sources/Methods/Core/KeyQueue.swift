import Torch

/// The dictionary: the latest *K* keys; the oldest are replaced first (He et al. 2020, section 3.2).
///
/// A true ring: *K* need not be a multiple of the batch, and may be smaller than it.
public final class KeyQueue: Buffer {
  /// The keys as rows, K×C, each of length 1.
  public var keys: Tensor { tensor }
  /// The row for the next key, 0 …< K.
  public private(set) var pointer: Int

  /// The dictionary size *K*.
  public let capacity: Int

  /// Starts with random directions, which are easy negatives until real keys have replaced them.
  /// - Parameters:
  ///   - device: The keys' device.
  ///   - dtype: The keys' type.
  ///   - generator: Draws the initial keys.
  ///   - capacity: *K*, at least 1.
  ///   - dimension: *C*, the size of a key.
  public convenience init(
    capacity: Int, dimension: Int, dtype: DType = .float32, on device: Device = .cpu,
    using generator: Generator
  ) {
    precondition(capacity > 0 && dimension > 0, "a queue of \(capacity) keys of size \(dimension)")
    let directions = Tensor.normal([capacity, dimension], using: generator)
    self.init(l2Normalized(directions).to(dtype).to(device), capacity: capacity, pointer: 0)
  }

  /// Continues with `keys` (K×C, rows of length 1); the oldest key is at `pointer`.
  public convenience init(keys: Tensor, pointer: Int = 0) {
    precondition(keys.rank == 2, "keys of shape \(keys.shape) are no K×C")
    precondition(
      (0..<keys.shape[0]).contains(pointer), "pointer \(pointer) is outside 0 ..< \(keys.shape[0])")
    self.init(keys, capacity: keys.shape[0], pointer: pointer)
  }

  private init(_ keys: Tensor, capacity: Int, pointer: Int) {
    self.capacity = capacity
    self.pointer = pointer
    super.init(keys)
  }

  /// Replaces the oldest keys with `new`, N×C, in order. If N > K, the last K are kept.
  public func enqueue(_ new: Tensor) {
    new.expect([nil, keys.shape[1]], "keys to enqueue")
    guard new.isDefined else { return }
    withNoGrad {
      let count = new.shape[0]
      var next = max(0, count - capacity)
      pointer = (pointer + next) % capacity
      while next < count {
        let run = min(count - next, capacity - pointer)  // up to the end of the ring
        keys.narrowed(pointer..<pointer + run).copy(from: new.narrowed(next..<next + run))
        next += run
        pointer = (pointer + run) % capacity
      }
    }
  }

  /// Sets a saved position; the caller restores the keys in place.
  public func restore(pointer: Int) {
    precondition((0..<capacity).contains(pointer), "pointer \(pointer) is outside 0 ..< \(capacity)")
    self.pointer = pointer
  }
}
