/// The width of text in the fonts that draw our charts' SVG.
///
/// The reader's font is not known, so these widths lie between Helvetica's and DejaVu's: room is left for either.
enum FontMetrics {
  /// The width of one line of `text` in points.
  static func width(of text: String, size: Double, isBold: Bool = false) -> Double {
    text.reduce(0) { $0 + advance($1) + (isBold ? 0.02 : 0) } * size
  }

  /// From one character to the next at a size of 1 em.
  private static func advance(_ character: Character) -> Double {
    if let code = character.asciiValue, (32...126).contains(code) {
      return Double(ascii[Int(code) - 32]) / 1000
    }
    return Double(signs[character] ?? 596) / 1000
  }

  /// Thousandths of an em, from space (32) to "~" (126).
  private static let ascii = [
    311, 196, 311, 696, 618, 868, 675, 168, 311, 311, 454, 625, 225, 396, 211, 454,
    596, 596, 596, 596, 596, 596, 596, 596, 596, 596, 211, 225, 596, 625, 596, 539,
    882, 711, 618, 682, 668, 575, 561, 696, 661, 168, 496, 632, 539, 754, 661, 725,
    611, 725, 632, 618, 654, 661, 682, 896, 654, 654, 639, 311, 454, 311, 539, 668,
    282, 546, 568, 525, 568, 561, 404, 568, 539, 168, 282, 525, 275, 782, 539, 575,
    568, 568, 389, 511, 396, 539, 539, 739, 525, 539, 496, 368, 168, 368, 632,
  ]

  private static let signs: [Character: Int] = [
    "±": 625, "×": 539, "−": 625, "—": 954, "…": 682, "·": 211, "°": 396, "≈": 632, "→": 768, "↑": 568,
    "↓": 568, "τ": 568, "θ": 554, "α": 625, "β": 568, "λ": 568, "μ": 568,
  ]
}
