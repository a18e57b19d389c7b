import CTorch

// Matrix decompositions, on the CPU and on GPUs; in float64 they are exact to about 1e-15 of the largest
// value.

extension Tensor {
  /// The eigenvalues of this symmetric matrix, ascending: N×N → N. Only the lower triangle is read.
  public func symmetricEigenvalues() -> Tensor { produce { ct_eigvalsh($0, handle) } }

  /// The eigenvalues of this symmetric matrix, ascending, and the eigenvectors, of length 1, as columns: N
  /// and N×N. The sign of an eigenvector is arbitrary.
  public func symmetricEigen() -> (values: Tensor, vectors: Tensor) {
    var values: OpaquePointer?
    var vectors: OpaquePointer?
    check(ct_eigh(&values, &vectors, handle))
    return (Tensor(owning: values), Tensor(owning: vectors))
  }
}
