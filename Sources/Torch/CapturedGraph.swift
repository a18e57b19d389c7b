import CTorch

/// How captured work is repeated.
public enum CaptureMode: Sendable {
  /// As one CUDA graph: the GPU starts its operations without the CPU. ``CUDALibrary`` must be loaded, and
  /// the current stream must not be the device's default stream.
  case cudaGraph
  /// By calling the closure again: not faster, but possible on every device. It shows whether the work can be
  /// captured.
  case repetition
}

/// Device work that is the same in every step: captured once, then repeated in the same memory.
///
/// Inputs that change between repetitions are written into tensors that the work reads; the results are
/// always in the same memory. Any other input (a number, a pointer, an index on the CPU) keeps the value that
/// it had at capture.
public final class CapturedGraph<Results> {
  private var results: Results?
  private let graph: OpaquePointer?
  private let work: () -> Results
  private let tensors: (Results) -> [Tensor]

  /// Captures `work`; with a CUDA graph none of it is executed yet.
  /// - Parameters:
  ///   - means: How the work is repeated.
  ///   - tensors: All tensors of the results, in a fixed order.
  ///   - work: The work to capture.
  /// - Throws: ``TorchError`` if part of it cannot be captured, such as a wait for the device.
  public init(
    by means: CaptureMode, tensors: @escaping (Results) -> [Tensor], _ work: @escaping () -> Results
  )
    throws
  {
    self.tensors = tensors
    self.work = work
    switch means {
    case .cudaGraph:
      let made = try CapturedGraph.captured(work)
      graph = made.graph
      results = made.results
    case .repetition: graph = nil
    }
  }

  deinit { ct_graph_free(graph) }

  private static func captured(_ work: () -> Results) throws -> (graph: OpaquePointer?, results: Results) {
    var graph: OpaquePointer?
    do {
      return try withTorchErrors {
        // A capture that begins must also end, so it does not begin after an earlier failure.
        if let error = TorchError.recorded { throw error }
        guard ct_graph_begin(&graph) == CT_OK else { throw TorchError.recorded ?? .unexplained }
        let results = work()
        check(ct_graph_end(graph))
        return (graph, results)
      }
    } catch {
      ct_graph_free(graph)
      throw error
    }
  }

  /// Executes the work with the current values of its input tensors.
  /// - Returns: The results, valid until the next replay.
  public func replay() -> Results {
    if let graph, let results {
      check(ct_graph_replay(graph))
      return results
    }
    let new = work()
    guard let results else {
      results = new
      return new
    }
    let (places, values) = (tensors(results), tensors(new))
    precondition(
      places.count == values.count, "\(places.count) tensors were recorded, now there are \(values.count)")
    withNoGrad { for (place, value) in zip(places, values) { place.copy(from: value) } }
    return results
  }
}
