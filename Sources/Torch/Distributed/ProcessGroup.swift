import CTorch
import Synchronization

/// The processes that train together, as collective operations see them: c10d with Gloo for tensors of a CPU, and with
/// NCCL for those of a GPU once ``enableNCCL(_:)`` was called.
///
/// Every rank calls the same operations in the same order; each waits for all ranks, up to the group's timeout. Like
/// all operations on tensors they do not throw one by one: what failed is thrown by the ``withTorchErrors(_:)`` around
/// them. Once one has failed the others of the scope do nothing, so that nobody waits for peers that have left.
public final class ProcessGroup {
  public let rank: Rank
  public let progress = Progress()
  private let handle: OpaquePointer?  // nothing for a group of one
  private let timeout: Duration

  /// How far a rank has come: the one that stays behind is the one the others wait for. For any thread.
  public final class Progress: Sendable {
    private let count = Atomic<Int>(0)
    /// Operations that this rank has begun.
    public var operationsBegun: Int { count.load(ordering: .relaxed) }
    fileprivate func begin() { count.add(1, ordering: .relaxed) }
  }

  /// One process by itself: every operation leaves its tensor as it is.
  public static var alone: ProcessGroup { ProcessGroup() }

  private init() {
    rank = .only
    handle = nil
    timeout = .zero
  }

  /// Meets the other ranks; returns when all of them are there.
  /// - Parameters:
  ///   - store: Where they find one another.
  ///   - name: Tells groups over one store apart.
  ///   - rank: This process's number among them.
  ///   - timeout: Of every operation.
  /// - Throws: ``TorchError`` where some do not come in time.
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

  /// From here on tensors on `device` travel from GPU to GPU by NCCL; nothing changes where it is the CPU. Every rank
  /// calls it, each for a GPU of its own.
  /// - Throws: ``CUDALibrary/Unavailable``; ``TorchError`` where the GPUs do not reach one another.
  public func enableNCCL(_ device: Device) throws {
    guard case .cuda = device, let handle else { return }
    if let fault = CUDALibrary.loadError { throw fault }
    let sum = try withTorchErrors {
      check(ct_group_join_nccl(handle))
      let sum = Tensor.ones([1], on: device)
      allReduce(sum)
      wait(for: device)
      return sum
    }
    // Read only after the wait has ended well: reading waits for peers for ever.
    let count = try withTorchErrors { sum.item() }
    guard count == Double(rank.count) else {
      throw TorchError(kind: .refused, message: "\(rank.count) ranks added up to \(count) on \(device)")
    }
  }

  /// Waits until this rank's device has done what it was asked for. Where others take part in that they may be gone: it
  /// then fails after the group's timeout, as an operation on the CPU does.
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
  /// With a graph, the gradient of a rank's `x` is the sum of what all ranks' losses say about it.
  public func allGather(_ x: Tensor) -> Tensor { allGatherAsync(x)() }

  /// The same in two parts: all ranks' `x` are on their way until what is returned waits for them. It is called once,
  /// in the ``withTorchErrors(_:)`` of the beginning; until then `x` must stay as it is.
  public func allGatherAsync(_ x: Tensor) -> () -> Tensor {
    guard handle != nil else { return { x } }
    let rows = Gathering()
    run { ct_gathering_begin(&rows.handle, x.handle, handle) }
    return { [self] in produce { out in run { ct_gathering_end(out, rows.handle) } } }
  }

  /// All ranks' `x`, which travel while `body` runs: N×… → (ranks·N)×…, and the result of `body`.
  public func allGather<Result>(_ x: Tensor, while body: () -> Result) -> (all: Tensor, result: Result) {
    let all = allGatherAsync(x)
    let result = body()
    return (all(), result)
  }

  /// Rows on their way.
  private final class Gathering {
    var handle: OpaquePointer?
    deinit { if let handle { ct_gathering_free(handle) } }
  }

  /// Averages the gradients of `parameters` over the ranks in every backward that is prepared; nothing where there is
  /// but one rank.
  public func reducer(of parameters: [Tensor]) throws -> GradientReducer? {
    try handle.map { try GradientReducer(parameters, group: self, handle: $0) }
  }

  /// Waits until all ranks are here.
  public func barrier() { run { ct_barrier(handle) } }

  /// Training-mode batch normalisation with the statistics of all ranks' batches, which must be of one size; the
  /// running statistics move.
  func batchNorm(
    _ x: Tensor, weight: Tensor?, bias: Tensor?, runningMean: Tensor, runningVar: Tensor, momentum: Double,
    epsilon: Double
  ) -> Tensor {
    produce { out in
      run {
        ct_sync_batch_norm(
          out, x.handle, weight?.handle, bias?.handle, runningMean.handle, runningVar.handle, momentum,
          epsilon, handle)
      }
    }
  }

  /// This rank's rows of what all ranks have together.
  public func localShard(_ all: Tensor) -> Tensor {
    rank.count == 1 ? all : all.narrowed(localRows(of: all.shape.first ?? 0))
  }

  /// Which of `count` rows of all ranks together are this rank's.
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
