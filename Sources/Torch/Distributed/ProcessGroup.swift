import CTorch
import Synchronization

/// The processes that train together, for collective operations: c10d with Gloo for CPU tensors, and with
/// NCCL for GPU tensors after ``enableNCCL(_:)``.
///
/// Every rank calls the same operations in the same order; each call waits for all ranks, up to the group's
/// timeout. Like all tensor operations they do not throw one by one: the surrounding ``withTorchErrors(_:)``
/// throws the failure. After a failure the later operations of the scope do nothing, so no rank waits for
/// peers that have left.
public final class ProcessGroup {
  public let rank: Rank
  public let progress = Progress()
  private let handle: OpaquePointer?  // nil for a group of one
  private let timeout: Duration

  /// The progress of a rank: the others wait for the rank that is behind. Safe to use from any thread.
  public final class Progress: Sendable {
    private let count = Atomic<Int>(0)
    /// The number of operations that this rank has begun.
    public var operationsBegun: Int { count.load(ordering: .relaxed) }
    fileprivate func begin() { count.add(1, ordering: .relaxed) }
  }

  /// A group of one process: every operation leaves its tensor unchanged.
  public static var alone: ProcessGroup { ProcessGroup() }

  private init() {
    rank = .only
    handle = nil
    timeout = .zero
  }

  /// Connects to the other ranks; returns when all of them are there.
  /// - Parameters:
  ///   - store: The store through which they find one another.
  ///   - name: Separates groups that share one store.
  ///   - rank: This process's number among them.
  ///   - timeout: Of every operation.
  /// - Throws: ``TorchError`` if some ranks do not come in time.
  public init(_ store: KeyValueStore, name: String = "ranks", rank: Rank, timeout: Duration) throws {
    self.rank = rank
    self.timeout = timeout
    guard rank.count > 1 else {
      handle = nil
      return
    }
    handle = try withTorchErrors {
      var handle: OpaquePointer?
      check(
        ct_group_new(
          &handle, store.handle, store.prefix + name, Int32(rank.number), Int32(rank.count),
          timeout.milliseconds))
      guard let handle else { throw TorchError.unexplained }
      return handle
    }
  }

  deinit { if let handle { ct_group_free(handle) } }

  /// From now on tensors on `device` are sent from GPU to GPU by NCCL; if it is the CPU, nothing changes.
  /// Every rank calls it, each with its own GPU.
  /// - Throws: ``CUDALibrary/Unavailable``; ``TorchError`` if the GPUs cannot reach one another.
  public func enableNCCL(_ device: Device) throws {
    guard case .cuda = device, let handle else { return }
    if let error = CUDALibrary.loadError { throw error }
    let sum = try withTorchErrors {
      check(ct_group_join_nccl(handle))
      let sum = Tensor.ones([1], on: device)
      allReduce(sum)
      wait(for: device)
      return sum
    }
    // Read only after the wait has succeeded: the read itself would wait for peers for ever.
    let count = try withTorchErrors { sum.item() }
    guard count == Double(rank.count) else {
      throw TorchError(kind: .refused, message: "\(rank.count) ranks added up to \(count) on \(device)")
    }
  }

  /// Waits until the work on this rank's device is done. If it includes other ranks, which may have ended,
  /// the wait fails after the group's timeout, as an operation on the CPU does.
  public func wait(for device: Device) {
    guard handle != nil, !TorchError.isRecorded else { return }
    DeviceStream.current(on: device).wait(timeout: timeout)
  }

  /// `x` becomes the sum of all ranks' `x`.
  public func allReduce(_ x: Tensor) { run { ct_all_reduce_(x.handle, handle) } }

  /// `x` becomes rank `root`'s `x`.
  public func broadcast(_ x: Tensor, from root: Int = 0) {
    run { ct_broadcast_(x.handle, handle, Int32(root)) }
  }

  /// All ranks' `x` in the order of the ranks: N×… → (ranks·N)×…
  ///
  /// With a graph, the gradient of a rank's `x` is the sum of its gradients from all ranks' losses.
  public func allGather(_ x: Tensor) -> Tensor { allGatherAsync(x)() }

  /// The same in two parts: starts the transfer and returns a closure that waits for all ranks' `x`. Call the
  /// closure once, in the same ``withTorchErrors(_:)``; until then `x` must not change.
  public func allGatherAsync(_ x: Tensor) -> () -> Tensor {
    guard handle != nil else { return { x } }
    let rows = Gathering()
    run { ct_gathering_begin(&rows.handle, x.handle, handle) }
    return { [self] in produce { out in run { ct_gathering_end(out, rows.handle) } } }
  }

  /// All ranks' `x`, sent while `body` runs: N×… → (ranks·N)×…, and the result of `body`.
  public func allGather<Result>(_ x: Tensor, while body: () -> Result) -> (all: Tensor, result: Result) {
    let all = allGatherAsync(x)
    let result = body()
    return (all(), result)
  }

  /// A transfer in progress.
  private final class Gathering {
    var handle: OpaquePointer?
    deinit { if let handle { ct_gathering_free(handle) } }
  }

  /// All ranks' rows as gathered, in the order of the batch that was dealt to them.
  public func inBatchOrder(_ all: Tensor, dealt: Dealing) -> Tensor {
    guard rank.count > 1, dealt != .consecutive, let size = all.shape.first else { return all }
    return all.indexSelected(Tensor(dealt.places(of: size, ranks: rank.count), on: all.device))
  }

  /// Averages the gradients of `parameters` over the ranks in every backward pass that is prepared; nil if
  /// there is only one rank.
  public func reducer(of parameters: [Tensor]) throws -> GradientReducer? {
    try handle.map { try GradientReducer(parameters, group: self, handle: $0) }
  }

  /// Waits until all ranks are here.
  public func barrier() { run { ct_barrier(handle) } }

  /// Training-mode batch normalisation with the statistics of all values of all ranks, whose batches may differ in size,
  /// or with the means of the ranks' statistics; updates the running statistics.
  func batchNorm(
    _ x: Tensor, weight: Tensor?, bias: Tensor?, runningMean: Tensor, runningVar: Tensor, momentum: Double,
    epsilon: Double, weighsRanksEqually: Bool = false
  ) -> Tensor {
    produce { out in
      run {
        ct_sync_batch_norm(
          out, x.handle, weight?.handle, bias?.handle, runningMean.handle, runningVar.handle, momentum,
          epsilon, weighsRanksEqually, handle)
      }
    }
  }

  /// This rank's rows of `all`, the rows of all ranks together.
  public func localShard(_ all: Tensor) -> Tensor {
    rank.count == 1 ? all : all.narrowed(localRows(of: all.shape.first ?? 0))
  }

  /// This rank's range in `count` rows of all ranks together.
  public func localRows(of count: Int) -> Range<Int> {
    let share = count / rank.count
    return rank.number * share..<(rank.number + 1) * share
  }

  @discardableResult
  private func run(_ operation: () -> ct_status) -> ct_status {
    guard handle != nil else { return CT_OK }
    guard !TorchError.isRecorded else { return CT_FAILED }
    progress.begin()
    let status = operation()
    check(status)
    return status
  }
}
