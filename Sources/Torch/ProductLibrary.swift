import CTorch

/// The library that multiplies float32 matrices on a CPU.
public enum ProductLibrary: Sendable, CaseIterable, CustomStringConvertible {
  /// LibTorch's BLAS: MKL on x86-64.
  case blas
  case oneDNN

  public var description: String { name ?? "\(c)" }

  /// The libraries that this LibTorch has.
  package static var available: [Self] { allCases.filter { $0.name != nil } }

  /// The library of the products that begin on this thread: the faster one on this processor, by its maker and
  /// its vectors, or that of ``withProducts(by:_:)``.
  public static var current: Self { Self(ct_thread_product_library()) }

  /// The faster one on a processor of this maker ("AuthenticAMD", …) and vector width
  /// (``Runtime/cpuCapability``).
  static func faster(maker: String, width: String) -> Self { Self(ct_faster_product_library(maker, width)) }

  private var name: String? { ct_product_library_name(c).map { String(cString: $0) } }

  fileprivate var c: ct_product_library { self == .oneDNN ? CT_PRODUCTS_ONEDNN : CT_PRODUCTS_BLAS }
  private init(_ c: ct_product_library) { self = c == CT_PRODUCTS_ONEDNN ? .oneDNN : .blas }
}

/// Runs `body` with the products that begin on this thread, those of gradients too, by `library`: for
/// comparisons.
package func withProducts<Result>(
  by library: ProductLibrary, _ body: () throws -> Result
) rethrows -> Result {
  precondition(
    ProductLibrary.available.contains(library),
    "\(library) is none of this LibTorch's libraries, \(ProductLibrary.available)")
  let before = ProductLibrary.current
  ct_set_thread_product_library(library.c)
  defer { ct_set_thread_product_library(before.c) }
  return try body()
}
