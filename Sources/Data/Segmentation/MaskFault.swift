/// Why a mask cannot be used, although it is a whole picture.
package enum MaskFault: Error, Equatable {
  /// A number that stands for no class; places count from 0.
  case number(Int, row: Int, column: Int, allowed: String)
  /// A colour that `classes.txt` does not list.
  case color(SIMD3<UInt8>, row: Int, column: Int, list: String)
  /// Colours without a list of them.
  case colorsWithoutList
  /// Numbers where the classes are colours.
  case numbersWithColors(list: String)
  /// Two places of the palette, both in use, of one colour, where classes are colours.
  case sharedColor(Int, Int, SIMD3<UInt8>)
  /// A number that has another colour in the palette of other masks of the set.
  case otherPalette(Int, SIMD3<UInt8>, other: SIMD3<UInt8>, path: String)
  /// No pixel has a class.
  case allIgnored
}

extension MaskFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .number(let number, let row, let column, let allowed):
      "it has the number \(number) at row \(row), column \(column); \(allowed)"
    case .color(let color, let row, let column, let list):
      "it has the colour \(text(of: color)) at row \(row), column \(column), which \(list) does not list"
    case .colorsWithoutList:
      "it has colours, and not a number for each pixel; save it as PNG, gray or with a palette, or give each class "
        + "its colour in classes.txt, as `name r g b`"
    case .numbersWithColors(let list):
      "it is gray, and \(list) gives the classes colours; save it in colours, or take the colours out of the list"
    case .sharedColor(let first, let second, let color):
      "its palette gives \(first) and \(second) the same colour \(text(of: color)), so that its classes cannot be "
        + "kept apart by colour; save it again in colours of the list"
    case .otherPalette(let number, let color, let other, let path):
      "its palette gives \(number) the colour \(text(of: color)), and that of \(path) gives it \(text(of: other)): "
        + "two colours of one class; save the masks with one palette"
    case .allIgnored:
      "none of its pixels has a class; all are ignored"
    }
  }
}

/// A fault of the mask in a file.
package struct MaskError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let fault: MaskFault

  package init(path: String, _ fault: MaskFault) { (self.path, self.fault) = (path, fault) }

  package var description: String { "\(path): \(fault)" }
}
