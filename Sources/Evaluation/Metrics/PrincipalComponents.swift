import Torch

/// The directions of largest variance, and each row's coordinates along them (principal component analysis).
package struct PrincipalComponents {
  /// N×count float64: a row's coordinates along the components, with the mean of the rows at 0.
  package let coordinates: Tensor
  /// Each component's share of the total variance, largest first; 0 if the variance is 0.
  package let shares: [Double]

  /// - Parameters:
  ///   - rows: N×D, finite; N at least 1.
  ///   - count: The number of components, 1 … D.
  package init(_ rows: Tensor, count: Int) {
    rows.expect([nil, nil], "rows of a PCA")
    let (n, width) = (rows.shape[0], rows.shape[1])
    precondition(n > 0 && (1...width).contains(count), "\(count) components of \(n)×\(width)")
    let x = rows.to(.cpu).to(.float64)
    let centred = x - x.mean(dims: [0], keepDim: true)
    // The smaller one of the two Gram matrices, which have the same eigenvalues.
    let isWide = n < width
    let gram = isWide ? centred.matmul(centred.transposed) : centred.transposed.matmul(centred)
    let (ascending, vectors) = gram.symmetricEigen()
    let values = ascending.array(of: Double.self).map { max($0, 0) }
    let total = values.reduce(0, +)
    let columns = (0..<count).map { place -> Tensor in
      guard place < values.count else { return .zeros([n], dtype: .float64) }
      let vector = vectors.selected(values.count - 1 - place, dim: 1)
      let along =
        isWide
        ? vector * values[values.count - 1 - place].squareRoot()
        : centred.matmul(vector.reshaped([width, 1])).reshaped([n])
      return along * PrincipalComponents.sign(along)
    }
    coordinates = .stacked(columns, dim: 1)
    shares = (0..<count).map { place in
      place < values.count && total > 0 ? values[values.count - 1 - place] / total : 0
    }
  }

  /// An eigenvector's sign is arbitrary; here the coordinate farthest from 0 is positive.
  private static func sign(_ along: Tensor) -> Double {
    let farthest = along.array(of: Double.self).max { abs($0) < abs($1) } ?? 0
    return farthest < 0 ? -1 : 1
  }
}
