import Foundation
import Testing

@testable import Torch

@Suite struct LibrariesOfProducts {
  static let processors: [(String, String, ProductLibrary)] = [
    ("AuthenticAMD", "AVX512", .oneDNN),
    ("AuthenticAMD", "AVX2", .own),
    ("AuthenticAMD", "DEFAULT", .blas),
    ("GenuineIntel", "AVX512", .blas),
    ("GenuineIntel", "AVX2", .blas),
    ("HygonGenuine", "AVX512", .blas),
    ("", "AVX512", .blas),
  ]

  @Test(arguments: processors)
  func areChosenByMakerAndVectors(maker: String, width: String, library: ProductLibrary) {
    #expect(ProductLibrary.faster(maker: maker, width: width) == library)
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/cpuinfo")))
  func areChosenByTheProcessorThatIsThere() throws {
    let lines = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).split(separator: "\n")
    let maker = lines.first { $0.hasPrefix("vendor_id") }?.split(separator: " ").last ?? ""
    #expect(ProductLibrary.current == .faster(maker: String(maker), width: Runtime.cpuCapability))
  }

  /// Rows and columns of a factor, which lie one after another or with gaps, in either order.
  enum Layout: CaseIterable {
    case rows, columns, rowsWithGaps, columnsWithGaps

    func applied(to x: Tensor) -> Tensor {
      switch self {
      case .rows: x
      case .columns: x.transposed.contiguous().transposed
      case .rowsWithGaps: Tensor.concatenated([x, x], dim: 1).narrowed(0..<x.shape[1], dim: 1)
      case .columnsWithGaps: Self.columns.applied(to: .concatenated([x, x])).narrowed(0..<x.shape[0])
      }
    }
  }

  /// ‖a − b‖ / ‖b‖. The rounding of a sum of K products, in whatever order, is a random walk: about √K · 2⁻²⁴.
  private func error(_ a: Tensor, _ b: Tensor) -> Double {
    (a.to(.float64) - b).norm().item() / b.norm().item()
  }

  /// Some blocks of millions of products, and one of 33,000, which is too small for oneDNN and for our kernel.
  /// Our kernel takes the second, the fourth with rows and columns cut short, and the fifth in several blocks of
  /// columns; the second factor of the last is too large for it.
  @Test(arguments: ProductLibrary.available, Layout.allCases)
  func multiplyFactorsOfAnyLayout(by library: ProductLibrary, left: Layout) {
    let sizes = [
      (300, 520, 270), (608, 302, 604), (33, 20, 50), (773, 515, 403), (600, 70, 1700), (520, 2048, 1600),
    ]
    for (rows, depth, columns) in sizes {
      let generator = Generator(seed: 5)
      let a = Tensor.normal([rows, depth], using: generator).to(.float32)
      let b = Tensor.normal([depth, columns], using: generator).to(.float32)
      let expected = a.to(.float64).matmul(b.to(.float64))
      for right in Layout.allCases {
        let y = withProducts(by: library) { left.applied(to: a).matmul(right.applied(to: b)) }
        #expect(
          error(y, expected) < Double(depth).squareRoot() * 0x1p-24, "\(rows)×\(depth)×\(columns), \(right)")
      }
    }
  }

  @Test(arguments: ProductLibrary.available)
  func multiplyWithBiasesAndForGradients(by library: ProductLibrary) {
    func results(_ dtype: DType) -> [Tensor] {
      let generator = Generator(seed: 5)
      let values = [[600, 384], [513, 384], [513], [600, 513]].map {
        Tensor.normal($0, using: generator).to(.float32).to(dtype)
      }
      for leaf in values[..<3] { leaf.requiresGrad = true }
      let y = linear(values[0], weight: values[1], bias: values[2])
      (y * values[3]).sum().backward()
      return [y.detached()] + values[..<3].map { $0.gradient! }
    }
    let fast = withProducts(by: library) { results(.float32) }
    for (one, expected) in zip(fast, results(.float64)) {
      #expect(error(one, expected) < 600.0.squareRoot() * 0x1p-24)  // a sum has 600 numbers at most
    }
  }

  @Test func areThoseOfTheProcessorAgainAfterwards() {
    let before = ProductLibrary.current
    for library in ProductLibrary.available {
      #expect(withProducts(by: library) { ProductLibrary.current } == library)
    }
    #expect(ProductLibrary.current == before)
  }
}
