import Torch

/// The key encoder f_k: it starts as a copy of the query encoder f_q and follows it slowly (He et al. 2020,
/// equation 2).
///
/// Only parameters follow. Batch-norm statistics are the key encoder's own: it runs in training mode on the
/// keys' batches, without gradients.
public final class MomentumEncoder<Encoder: Module> {
  public let encoder: Encoder
  private let own: [Tensor]  // θ_k
  private let followed: [Tensor]  // θ_q

  /// - Parameters:
  ///   - query: The encoder that is followed.
  ///   - copy: a network with the structure of `query`; its state is overwritten.
  public init(of query: Encoder, copy: Encoder) {
    copy.copyState(from: query)
    let names = query.namedParameters.map(\.name)
    precondition(
      copy.namedParameters.map(\.name) == names, "the encoders' parameters do not pair by name")
    for parameter in copy.parameters { parameter.requiresGrad = false }
    encoder = copy
    own = copy.parameters
    followed = query.parameters
  }

  /// θ_k ← m·θ_k + (1 − m)·θ_q
  public func update(momentum m: Double) {
    precondition((0...1).contains(m), "momentum m = \(m) must be between 0 and 1")
    lerpAll(own, toward: followed, weight: 1 - m)
  }

  /// The keys of `x`, of length 1, without a graph: N×3×H×W → N×C.
  public func keys(_ x: Tensor) -> Tensor {
    withNoGrad { l2Normalized(encoder(x)) }
  }
}
