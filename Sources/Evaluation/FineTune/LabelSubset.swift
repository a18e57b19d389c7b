import Data
import Files
import Foundation
import Torch

/// The subset of training images whose labels are used.
package enum LabelSubset: Sendable, Equatable, LosslessStringConvertible {
  /// A share of all images, above 0 and at most 1: drawn with a seed, the same number from every class.
  case share(Double)
  /// The images whose paths are in a file, one per line.
  case list(String)

  package static let all = LabelSubset.share(1)

  /// `1%`, `0.01`, or the path of a .txt file.
  package init?(_ text: String) {
    if text.hasSuffix(".txt") {
      self = .list(text)
    } else if let share = Fraction(text), share.value > 0 {
      self = .share(share.value)
    } else {
      return nil
    }
  }

  package var description: String {
    switch self {
    case .share(let share): Fraction(value: share).description
    case .list(let path): path
    }
  }

  /// The images, in the data set's order.
  /// - Throws: ``UsageError`` if a list cannot be read or names a missing image.
  func chosen(of dataset: Dataset, seed: UInt64) throws -> [Int] {
    switch self {
    case .share(let share):
      LabelSubset.draw(
        share, labels: (0..<dataset.count).map { dataset.label($0) ?? 0 },
        classes: dataset.classNames.count, seed: seed)
    case .list(let path): try LabelSubset.read(path, names: (0..<dataset.count).map { dataset.name($0) })
    }
  }

  /// In turns every class gives one image until there are enough; a class without more images is skipped. The
  /// seed decides which images of a class are used, and which classes give one image more in an incomplete
  /// last turn.
  static func draw(_ share: Double, labels: [Int], classes: Int, seed: UInt64) -> [Int] {
    var members = Array(repeating: [Int](), count: classes)
    for (index, label) in labels.enumerated() { members[label].append(index) }
    var order = CounterGenerator(seed: seed, .labels)
    let turns = order.permutation(classes).filter { !members[$0].isEmpty }
    for label in turns {
      var random = CounterGenerator(seed: seed, .labels, label)
      members[label] = random.permutation(members[label].count).map { members[label][$0] }
    }
    let wanted = max(turns.count, Int((share * Double(labels.count)).rounded()))
    var chosen: [Int] = []
    var round = 0
    while chosen.count < wanted {
      let givers = turns.filter { round < members[$0].count }
      chosen += givers.prefix(wanted - chosen.count).map { members[$0][round] }
      round += 1
    }
    return chosen.sorted()
  }

  /// Each line is an image's path in the data set, or its last component if only one image has that.
  static func read(_ path: String, names: [String]) throws -> [Int] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw UsageError(
        "--labels \(path): the file cannot be read as text. Give a list with the path of a training image in each line."
      )
    }
    let byName = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    let byFile = Dictionary(grouping: names.indices) { names[$0].lastPathPart }
    var chosen: Set<Int> = []
    for (number, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    {
      let line = raw.trimmingCharacters(in: .whitespaces)
      if line.isEmpty { continue }
      let same = byFile[line] ?? []
      guard let index = byName[line] ?? (same.count == 1 ? same[0] : nil) else {
        throw UsageError(
          "--labels \(path): line \(number + 1): "
            + (same.isEmpty
              ? "there is no training image \(line)." : "\(same.count) training images are named \(line).")
            + " Give paths as they are in the training set, such as \(names.first ?? "a/b.png").")
      }
      chosen.insert(index)
    }
    guard !chosen.isEmpty else { throw UsageError("--labels \(path): the list is empty.") }
    return chosen.sorted()
  }
}
