import CTorch

/// Averages gradients over the ranks while backward is still running: c10d's `Reducer`, the engine inside
/// PyTorch's DistributedDataParallel. Parameters are sent in buckets of up to 25 MB (4 MB between CPUs), the
/// last layers' first.
public final class GradientReducer {
  private let handle: OpaquePointer
  private let group: ProcessGroup  // must live as long as the reducer

  /// - Parameter parameters: The same in every rank, in the same order; each of them is used in every step.
  init(_ parameters: [Tensor], group: ProcessGroup, handle groupHandle: OpaquePointer) throws {
    self.group = group
    handle = try withTorchErrors {
      var handle: OpaquePointer?
      withHandles(parameters) { pointers, count in
        check(ct_reducer_new(&handle, pointers, count, groupHandle))
      }
      guard let handle else { throw TorchError.unexplained }
      return handle
    }
  }

  deinit { ct_reducer_free(handle) }

  /// The next backward pass leaves averages in the gradients. A backward pass without this call before it
  /// only adds to its own rank's gradients; this is how several batches are combined in one step.
  public func prepare() {
    guard !TorchError.isRecorded else { return }
    check(ct_reducer_prepare(handle))
  }
}
