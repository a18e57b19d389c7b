import CTorch

/// The `k` rows with the largest product with each query, N×C and n×C: N×k products, and the N×k rows, int64 in rising
/// order. Of equal products the lower rows are taken; NaN counts as infinity.
///
/// On a CPU 2²⁰ products are in memory at once, and 2²² candidates of 12 bytes, or one query's 2k + 2,048 if that is more:
/// nothing grows with N times n. The time is that of N·n·C multiplications, and of a pass over N·n products.
/// - Parameters:
///   - queries: N×C, of the rows' type and device.
///   - rows: n×C.
///   - k: 1 ... n.
public func nearestRows(
  to queries: Tensor, in rows: Tensor, count k: Int
) -> (products: Tensor, indices: Tensor) {
  var products: OpaquePointer?
  var indices: OpaquePointer?
  check(ct_nearest_rows(&products, &indices, queries.handle, rows.handle, Int64(k)))
  return (Tensor(owning: products), Tensor(owning: indices))
}

/// The products of each query with rows of its own: N×C, n×C and N×k int64 → N×k. Only the queries have a gradient.
///
/// On a CPU k chosen rows of one query are in memory for each thread; other devices gather N·k·C numbers.
public func rowProducts(_ queries: Tensor, _ rows: Tensor, at indices: Tensor) -> Tensor {
  produce { ct_row_products($0, queries.handle, rows.handle, indices.handle) }
}
