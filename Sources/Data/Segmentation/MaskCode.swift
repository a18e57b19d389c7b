/// How the numbers or the colours of a set's masks stand for classes.
package enum MaskCode: Sendable, Equatable {
  /// A number is a class below this; 255 is ignored.
  case numbers(Int)
  /// Label ids of Cityscapes; those that are not evaluated are ignored.
  case cityscapesIDs
  /// Train ids of Cityscapes; 255 is ignored.
  case cityscapesTrainIDs
  /// The class of each colour, or ``LabelMap/ignored``, and the file that lists them.
  case colors([SIMD3<UInt8>: UInt8], list: String)

  init(_ list: ClassList) {
    guard !list.colors.isEmpty else {
      self = .numbers(list.names.count)
      return
    }
    var classes: [SIMD3<UInt8>: UInt8] = [:]
    for (place, color) in list.colors.enumerated() { classes[color] = UInt8(place) }
    for color in list.ignored { classes[color] = LabelMap.ignored }
    self = .colors(classes, list: list.path)
  }

  /// Whether masks are pictures of colours.
  var hasColors: Bool { if case .colors = self { true } else { false } }

  /// The class of a number; nil for one that stands for none.
  func label(_ number: Int) -> UInt8? {
    switch self {
    case .numbers(let classes):
      number < classes || number == Int(LabelMap.ignored) ? UInt8(number) : nil
    case .cityscapesTrainIDs:
      number < CityscapesLabel.evaluated.count || number == Int(LabelMap.ignored) ? UInt8(number) : nil
    case .cityscapesIDs:
      number < CityscapesLabel.all.count
        ? CityscapesLabel.all[number].trainID.map { UInt8($0) } ?? LabelMap.ignored : nil
    case .colors: nil
    }
  }

  /// The numbers that stand for a class, for people.
  var allowed: String {
    switch self {
    case .numbers(let classes): "the classes are 0 to \(classes - 1), and 255 is ignored"
    case .cityscapesIDs:
      "label ids are 0 to 33. If these are train ids, the files' names end in _gtFine_labelTrainIds.png"
    case .cityscapesTrainIDs:
      "train ids are 0 to 18, and 255 is ignored. If these are label ids, the files' names end in "
        + "_gtFine_labelIds.png"
    case .colors: "the classes are colours"
    }
  }
}
