import CTorch

/// Averages gradients over the ranks while backward is still running: c10d's `Reducer`, the engine inside PyTorch's
/// DistributedDataParallel. Parameters travel in buckets, closed at 25 MB or between CPUs at 4 MB, the last layers' first.
public final class GradientReducer {
  private let handle: OpaquePointer
  private let group: ProcessGroup  // must live as long

  /// - Parameter parameters: The same in every rank, in the same order; each takes part in every step.
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

  /// The next backward leaves averages in the gradients. A backward without this call before it only adds to its own
  /// rank's, which is how several batches become one step.
  public func prepare() {
    guard !TorchError.isRecorded else { return }
    check(ct_reducer_prepare(handle))
  }
}
