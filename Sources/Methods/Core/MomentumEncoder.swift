import Models
import Torch

/// The key encoder f_k: it starts as a copy of the query encoder f_q and follows it slowly (He et al. 2020,
/// equation 2). Its tensor names are those of the network.
///
/// Only parameters follow. It has its own batch statistics: it runs in training mode on the keys' batches,
/// without gradients.
public final class MomentumEncoder: Module {
  public let encoder: ImageEncoder
  private let pairs: Pairs

  private struct Pairs {
    let own: [Tensor]  // θ_k
    let followed: [Tensor]  // θ_q
  }

  /// - Parameters:
  ///   - query: The encoder to follow.
  ///   - copy: A network with the structure of `query`; its state is overwritten, its parameters are frozen.
  public init(of query: ImageEncoder, copy: ImageEncoder) {
    copy.copyState(from: query)
    let names = query.namedParameters.map(\.name)
    precondition(
      copy.namedParameters.map(\.name) == names, "the encoders' parameters do not pair by name")
    encoder = copy
    pairs = Pairs(own: copy.parameters, followed: query.parameters)
    copy.freeze()
  }

  public override func stateName(of property: String) -> String? { nil }

  /// θ_k ← m·θ_k + (1 − m)·θ_q
  public func update(momentum m: Double) {
    precondition((0...1).contains(m), "momentum m = \(m) must be between 0 and 1")
    lerpAll(pairs.own, toward: pairs.followed, weight: 1 - m)
  }

  /// The keys of `x`, of length 1, without a graph: N×3×H×W → N×C.
  public func keys(_ x: Tensor) -> Tensor {
    withNoGrad { l2Normalized(encoder(x)) }
  }
}
