import CTorch

/// The library, or the kernel of our own, that multiplies float32 matrices on a CPU.
public enum ProductLibrary: Sendable, CaseIterable, CustomStringConvertible {
  /// LibTorch's BLAS: MKL on x86-64.
  case blas
  case oneDNN
  /// This package's kernel where a product's first factor lies in rows and the result is large enough, and
  /// LibTorch's BLAS for the others.
  case own

  public var description: String { name ?? "\(c)" }

  /// Those that this LibTorch and this processor have.
  package static var available: [Self] { allCases.filter { $0.name != nil } }

  /// The library of the products that begin on this thread: the faster one on this processor, by its maker and
  /// its vectors, or that of ``withProducts(by:_:)``.
  public static var current: Self { Self(ct_thread_product_library()) }

  /// The faster one on a processor of this maker ("AuthenticAMD", …) and vector width
  /// (``Runtime/cpuCapability``).
  static func faster(maker: String, width: String) -> Self { Self(ct_faster_product_library(maker, width)) }

  private var name: String? { ct_product_library_name(c).map { String(cString: $0) } }

  fileprivate var c: ct_product_library {
    switch self {
    case .blas: CT_PRODUCTS_BLAS
    case .oneDNN: CT_PRODUCTS_ONEDNN
    case .own: CT_PRODUCTS_OWN
    }
  }

  private init(_ c: ct_product_library) { self = Self.allCases.first { $0.c == c } ?? .blas }
}

/// Runs `body` with the products that begin on this thread, those of gradients too, by `library`: for
/// comparisons.
package func withProducts<Result>(
  by library: ProductLibrary, _ body: () throws -> Result
) rethrows -> Result {
  precondition(
    ProductLibrary.available.contains(library),
    "\(library) is not available here: \(ProductLibrary.available)")
  let before = ProductLibrary.current
  ct_set_thread_product_library(library.c)
  defer { ct_set_thread_product_library(before.c) }
  return try body()
}
