/// A run whose loss or weights became infinite or NaN. Exit code 1; in an ablation, a result.
package struct DivergedRun: Error, Equatable, CustomStringConvertible {
  /// The step, counted from 1.
  package let step: Int
  package let description: String
}
