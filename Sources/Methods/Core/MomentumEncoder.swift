import Models
import Torch

/// The key encoder f_k: it starts as a copy of the query encoder f_q and follows it slowly (He et al. 2020,
/// equation 2). Its tensor names are those of the network.
///
/// Only parameters follow. It has its own batch statistics: it runs in training mode on the keys' batches,
/// without gradients.
public final class MomentumEncoder: Module {
  public let encoder: ImageEncoder
  private let average: MovingAverage

  /// - Parameters:
  ///   - query: The encoder to follow.
  ///   - copy: A network with the structure of `query`; its state is overwritten, its parameters are frozen.
  public init(of query: ImageEncoder, copy: ImageEncoder) {
    encoder = copy
    average = MovingAverage(of: query, in: copy)
  }

  public override func stateName(of property: String) -> String? { nil }

  /// θ_k ← m·θ_k + (1 − m)·θ_q
  public func update(momentum m: Double) { average.update(momentum: m) }

  /// The keys of `x`, of length 1, without a graph: N×3×H×W → N×C.
  public func keys(_ x: Tensor) -> Tensor {
    withNoGrad { l2Normalized(encoder(x)) }
  }
}

/// Parameters that follow those of another module: an exponential moving average.
struct MovingAverage {
  private let own: [Tensor]  // θ_k
  private let followed: [Tensor]  // θ_q

  /// - Parameters:
  ///   - module: The module to follow.
  ///   - copy: One of the same structure; its state is overwritten, its parameters are frozen.
  init(of module: Module, in copy: Module) {
    copy.copyState(from: module)
    let names = module.namedParameters.map(\.name)
    precondition(
      copy.namedParameters.map(\.name) == names, "the modules' parameters do not pair by name")
    (own, followed) = (copy.parameters, module.parameters)
    copy.freeze()
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q
  func update(momentum m: Double) {
    precondition((0...1).contains(m), "momentum m = \(m) must be between 0 and 1")
    lerpAll(own, toward: followed, weight: 1 - m)
  }
}
