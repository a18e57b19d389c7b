import CTorch

/// How recorded work is repeated.
public enum CaptureMode: Sendable {
  /// As one CUDA graph, whose operations the GPU starts by itself. ``CUDALibrary`` must be loaded, and the current stream
  /// must not be the device's default one.
  case cudaGraph
  /// By asking for everything again: no faster than without, and possible on every device. It shows whether work is such
  /// that it can be recorded.
  case repetition
}

/// Work of a device that is the same in every step: recorded once and then repeated, in the same memory.
///
/// What changes from one time to the next is written into tensors that the work looks at, and its results lie where they
/// lay before. Whatever else it takes, a number, a pointer, an index on the CPU, stays as it was when it was recorded.
public final class CapturedGraph<Results> {
  private var results: Results?
  private let graph: OpaquePointer?
  private let work: () -> Results
  private let tensors: (Results) -> [Tensor]

  /// Records `work`; with a CUDA graph nothing of it is done yet.
  /// - Parameters:
  ///   - means: how it is repeated.
  ///   - tensors: all of the results', in an order that does not change.
  ///   - work: what is recorded.
  /// - Throws: ``TorchError`` where some of it cannot be recorded, such as a wait for the device.
  public init(by means: CaptureMode, tensors: @escaping (Results) -> [Tensor], _ work: @escaping () -> Results)
    throws
  {
    self.tensors = tensors
    self.work = work
    switch means {
    case .cudaGraph:
      let made = try CapturedGraph.recorded(work)
      graph = made.graph
      results = made.results
    case .repetition: graph = nil
    }
  }

  deinit { ct_graph_free(graph) }

  private static func recorded(_ work: () -> Results) throws -> (graph: OpaquePointer?, results: Results) {
    var graph: OpaquePointer?
    do {
      return try withTorchErrors {
        // What is begun must be ended, so that nothing begins where something has failed already.
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

  /// Does the work with what the tensors that it looks at hold now.
  /// - Returns: what it left: whole until the next time.
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
