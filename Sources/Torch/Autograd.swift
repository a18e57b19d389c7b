import CTorch

extension Tensor {
  public var requiresGrad: Bool {
    get { ct_requires_grad(handle) }
    set { check(ct_set_requires_grad(handle, newValue)) }
  }

  /// The same elements, detached from the graph.
  public func detached() -> Tensor { produce { ct_detach($0, handle) } }

  /// Adds d(self)/d(leaf) to the gradient of every leaf; self is a scalar.
  public func backward() { check(ct_backward(handle)) }

  /// The accumulated gradient; nil before the first backward pass.
  public var gradient: Tensor? {
    get {
      var out: OpaquePointer?
      check(ct_grad(&out, handle))
      return out.map { Tensor(owning: $0) }
    }
    set { check(ct_set_grad(handle, newValue?.handle)) }
  }

  public func clearGradient() { gradient = nil }
}

/// Runs `body` without recording a graph. The mode is per thread, so `body` is synchronous.
public func withNoGrad<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = ct_grad_mode_set(false)
  defer { _ = ct_grad_mode_set(before) }
  return try body()
}
