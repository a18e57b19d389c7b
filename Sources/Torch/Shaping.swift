import CTorch

// Views, rearrangement, conversion, and in-place operations.

extension Tensor {
  /// The same elements in another shape; one size may be −1.
  public func reshaped(_ shape: [Int]) -> Tensor {
    withInt64(shape) { pointer, count in produce { ct_reshape($0, handle, pointer, count) } }
  }

  public func permuted(_ dims: [Int]) -> Tensor {
    withInt64(dims) { pointer, count in produce { ct_permute($0, handle, pointer, count) } }
  }

  /// The last two dimensions swapped.
  public var transposed: Tensor {
    let rank = self.rank
    guard rank >= 2 else { return self }
    return permuted(Array(0..<rank - 2) + [rank - 1, rank - 2])
  }

  /// Repeats dimensions of size 1 without copying.
  public func expanded(_ shape: [Int]) -> Tensor {
    withInt64(shape) { pointer, count in produce { ct_expand($0, handle, pointer, count) } }
  }

  /// Elements `range` along `dim`, without copying.
  public func narrowed(_ range: Range<Int>, dim: Int = 0) -> Tensor {
    produce { ct_narrow($0, handle, Int64(dim), Int64(range.lowerBound), Int64(range.count)) }
  }

  /// Element `index` along `dim`; the result has one dimension less.
  public func selected(_ index: Int, dim: Int = 0) -> Tensor {
    produce { ct_select($0, handle, Int64(dim), Int64(index)) }
  }

  public func flipped(dim: Int) -> Tensor { produce { ct_flip($0, handle, Int64(dim)) } }

  /// The rows with the indices in the int64 tensor `index`, in its order.
  public func indexSelected(_ index: Tensor, dim: Int = 0) -> Tensor {
    produce { ct_index_select($0, handle, Int64(dim), index.handle) }
  }

  /// out[i][j] = self[i][index[i][j]] for dim 1.
  public func gathered(_ index: Tensor, dim: Int) -> Tensor {
    produce { ct_gather($0, handle, Int64(dim), index.handle) }
  }

  public static func concatenated(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
    withHandles(tensors) { pointer, count in produce { ct_cat($0, pointer, count, Int64(dim)) } }
  }

  public static func stacked(_ tensors: [Tensor], dim: Int = 0) -> Tensor {
    withHandles(tensors) { pointer, count in produce { ct_stack($0, pointer, count, Int64(dim)) } }
  }
}

// MARK: - Conversion

extension Tensor {
  public func to(_ dtype: DType) -> Tensor {
    dtype == self.dtype ? self : produce { ct_to_dtype($0, handle, dtype.c) }
  }

  /// - Parameter asynchronously: Whether it may return before ``PinnedBuffer`` has been read: its bytes must
  ///   then not change until the device has done its work.
  public func to(_ device: Device, asynchronously: Bool = false) -> Tensor {
    device == self.device ? self : produce { ct_to_device($0, handle, device.c, asynchronously) }
  }

  public func contiguous(_ layout: MemoryLayout4D = .contiguous) -> Tensor {
    isDefined && isContiguous(layout) ? self : produce { ct_contiguous($0, handle, layout.c) }
  }

  /// A copy with memory of its own.
  public func clone() -> Tensor { produce { ct_clone($0, handle) } }
}

// MARK: - In place

extension Tensor {
  /// Overwrites the elements, converting type and device; the tensor object stays the same.
  public func copy(from source: Tensor) { check(ct_copy_(handle, source.handle)) }
  public func fill(_ value: Double) { check(ct_fill_(handle, value)) }
  /// self += scale · other.
  public func add(_ other: Tensor, scale: Double = 1) { check(ct_add_scaled_(handle, other.handle, scale)) }
  public func multiply(by value: Double) { check(ct_mul_scalar_(handle, value)) }
  /// self *= other; `other` broadcasts.
  public func multiply(by other: Tensor) { check(ct_mul_(handle, other.handle)) }
  public func clamp(_ low: Double, _ high: Double) { check(ct_clamp_(handle, low, high)) }
  /// Rounds down to an integer.
  public func roundDown() { check(ct_floor_(handle)) }

  /// Row index[i] of self becomes row i of `source`.
  public func indexCopy(_ index: Tensor, dim: Int = 0, with source: Tensor) {
    check(ct_index_copy_(handle, Int64(dim), index.handle, source.handle))
  }

  /// Row i of `source` is added to row index[i] of self; an index may come more than once.
  public func indexAdd(_ index: Tensor, dim: Int = 0, _ source: Tensor) {
    check(ct_index_add_(handle, Int64(dim), index.handle, source.handle))
  }

  /// Takes `data`'s memory, type and device, and keeps its identity for autograd and optimizers.
  func setData(_ data: Tensor) { check(ct_set_data(handle, data.handle)) }
}
