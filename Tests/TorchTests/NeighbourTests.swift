import TestSupport
import Testing
import Torch

@Suite struct NearestRows {
  /// The rows by falling product, equal ones by their number; the first k, in rising order.
  private func expected(_ queries: Tensor, _ rows: Tensor, _ k: Int) -> [[Int]] {
    let products = queries.matmul(rows.transposed)
    return (0..<queries.shape[0]).map { query in
      let scores = products.selected(query).array(of: Double.self)
      return scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(k).sorted()
    }
  }

  private func found(_ queries: Tensor, _ rows: Tensor, _ k: Int) -> [[Int]] {
    let indices = nearestRows(to: queries, in: rows, count: k).indices
    #expect(indices.dtype == .int64 && indices.shape == [queries.shape[0], k])
    return (0..<queries.shape[0]).map { indices.selected($0).array() }
  }

  /// Tables of one piece and of several, whole and broken; k small, half, and all.
  @Test(arguments: [
    (1, 1, 1), (3, 5, 2), (17, 1023, 40), (16, 1024, 1024), (5, 1025, 1), (33, 3001, 700), (2, 5000, 4999),
    (1, 2500, 8), (2100, 41, 5),
    (4, 7, 3),
  ])
  func areThoseOfASearchOneByOne(queries: Int, rows: Int, k: Int) {
    let (x, table) = (formula(salt: 1, shape: [queries, 5]), formula(salt: 2, shape: [rows, 5]))
    #expect(found(x, table, k) == expected(x, table, k))
  }

  /// Whole numbers: most products are equal to many others. They are exact in float32 too.
  @Test(arguments: [1, 7, 600, 2999]) func ofEqualProductsTheLowerRowsAreTaken(k: Int) {
    let x = (formula(salt: 3, shape: [4, 3]) * 2).rounded()
    let table = (formula(salt: 4, shape: [3000, 3]) * 2).rounded()
    #expect(found(x, table, k) == expected(x, table, k))
    #expect(found(x.to(.float32), table.to(.float32), k) == expected(x, table, k))
    #expect(found(x * 0, table, k) == Array(repeating: Array(0..<k), count: 4))
  }

  /// bfloat16 goes the way of other devices: whole products, and LibTorch's top-k. Small whole numbers are exact there.
  @Test(arguments: [1, 7, 299, 300]) func otherDevicesTakeTheSameRows(k: Int) {
    let x = (formula(salt: 3, shape: [4, 3]) * 2).rounded()
    let table = (formula(salt: 4, shape: [300, 3]) * 2).rounded()
    let nearest = nearestRows(to: x.to(.bfloat16), in: table.to(.bfloat16), count: k)
    #expect(found(x.to(.bfloat16), table.to(.bfloat16), k) == expected(x, table, k))
    #expect(distance(nearest.products, nearestRows(to: x, in: table, count: k).products) == 0)
  }

  @Test func theProductsAreThoseOfTheRows() {
    let (x, table) = (formula(salt: 1, shape: [3, 5]), formula(salt: 2, shape: [1500, 5]))
    let nearest = nearestRows(to: x, in: table, count: 40)
    // The same products in other blocks: float64 rounds them near 1e-16.
    #expect(distance(nearest.products, rowProducts(x, table, at: nearest.indices)) < 1e-14)
  }

  /// Products that rise make every row a candidate; those that fall make none after the first k.
  @Test func sortedTablesAreSearchedToo() {
    let rising = Tensor((0..<4000).map(Double.init), shape: [4000, 1])
    let one = Tensor([1.0], shape: [1, 1])
    #expect(found(one, rising, 900) == [Array(3100..<4000)])
    #expect(found(one * -1, rising, 900) == [Array(0..<900)])
  }

  /// Where every eighth row is small, and a sample of the rows may see no others.
  @Test(arguments: [100, 512, 1100]) func regularTablesAreSearchedToo(k: Int) {
    let values = (0..<6000).map { $0.isMultiple(of: 8) ? -Double($0) : Double($0) }
    let rows = found(Tensor([1.0], shape: [1, 1]), Tensor(values, shape: [6000, 1]), k)
    #expect(rows == [values.indices.sorted { values[$0] > values[$1] }.prefix(k).sorted()])
  }

  /// Rows are compared in runs of eight.
  @Test(arguments: [0, 7, 8, 1023, 1024, 1500, 1999, 2002]) func notANumberIsTheLargest(row: Int) {
    let table = formula(salt: 5, shape: [2003, 2])
    table.selected(row).fill(.nan)
    #expect(found(formula(salt: 6, shape: [1, 2]), table, 1) == [[row]])
    #expect(found(formula(salt: 6, shape: [1, 2]).to(.float32), table.to(.float32), 1) == [[row]])
  }

  @Test func ofRowsThatAreNotNumbersTheFirstAreTaken() {
    let table = formula(salt: 5, shape: [4000, 2])
    table.fill(.nan)
    #expect(found(formula(salt: 6, shape: [2, 2]), table, 300) == Array(repeating: Array(0..<300), count: 2))
  }

  @Test func whatDoesNotFitIsRefused() {
    let rows = formula(salt: 1, shape: [4, 3])
    for (queries, k, text) in [
      (formula(salt: 2, shape: [2, 3]), 5, "5 nearest of 4 rows"),
      (formula(salt: 2, shape: [2, 3]), 0, "0 nearest of 4 rows"),
      (formula(salt: 2, shape: [2, 5]), 1, "queries of shape [2, 5] do not fit rows of shape [4, 3]"),
    ] {
      let error = #expect(throws: TorchError.self) {
        try withTorchErrors { nearestRows(to: queries, in: rows, count: k) }
      }
      #expect(error?.description.contains(text) == true, "\(String(describing: error))")
    }
  }

  @Test func productsWithChosenRowsAndTheirGradientAreThoseOfAllProducts() throws {
    let rows = formula(salt: 1, shape: [30, 7])
    let (x, y) = (formula(salt: 2, shape: [5, 7]), formula(salt: 2, shape: [5, 7]))
    let weights = formula(salt: 3, shape: [5, 4])
    let chosen = Tensor((0..<20).map { $0 * 7 % 30 }, shape: [5, 4])
    (x.requiresGrad, y.requiresGrad) = (true, true)
    let ours = rowProducts(x, rows, at: chosen)
    let theirs = y.matmul(rows.transposed).gathered(chosen, dim: 1)
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    // Sums of seven products in another order.
    #expect(distance(ours.detached(), theirs.detached()) < 1e-14)
    let (own, other) = (try #require(x.gradient), try #require(y.gradient))
    #expect(distance(own, other) < 1e-14)
  }
}
