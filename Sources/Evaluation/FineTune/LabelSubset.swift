import Data
import Files
import Foundation
import Torch

/// Which of the training images may show their label.
package enum LabelSubset: Sendable, Equatable, LosslessStringConvertible {
  /// So much of all, above 0 and at most 1: drawn from a seed, from every class as many as from the others.
  case share(Double)
  /// Those whose paths stand in a file, a line each.
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
  /// - Throws: ``UsageError`` where a list cannot be read or names an image that is not there.
  func chosen(of dataset: Dataset, seed: UInt64) throws -> [Int] {
    switch self {
    case .share(let share):
      LabelSubset.draw(
        share, labels: (0..<dataset.count).map { dataset.label($0) ?? 0 },
        classes: dataset.classNames.count, seed: seed)
    case .list(let path): try LabelSubset.read(path, names: (0..<dataset.count).map { dataset.name($0) })
    }
  }

  /// Every class gives one image after the other in turn until there are enough; a class that has no more gives all
  /// it has, and none gives nothing. Which images of a class, and which classes give one more than the others where
  /// the turns do not come out even, follows from the seed.
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

  /// A line is an image's path in the data set, or its last component where only one image has that.
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
