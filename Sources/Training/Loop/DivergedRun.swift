/// A run whose loss or weights became infinite or NaN. Exit code 1; in an ablation, a result.
package struct DivergedRun: Error, Equatable, CustomStringConvertible {
  /// The step, counted from 1.
  package let step: Int
  package let description: String

  /// - Parameters:
  ///   - step: Counted from 0.
  ///   - lastSaved: The step of the newest checkpoint; nil before the first.
  ///   - ranks: Their number.
  ///   - remedy: A sentence.
  init(_ found: Divergence, step: Int, lastSaved: Int?, ranks: Int, remedy: String) {
    let kept = lastSaved.map { "The checkpoint of step \($0) is good" } ?? "Nothing was saved yet"
    let place = ranks > 1 ? " on rank \(found.rank)" : ""
    self.step = step + 1
    description =
      "training diverged: the loss of step \(step + 1)\(place) is \(found.loss.isNaN ? "not a number" : "infinite"). "
      + "\(kept). \(remedy)"
  }
}
