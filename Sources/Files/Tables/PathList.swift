/// A list of images as text: a path a line, and perhaps a label behind a tab, a comma or a space.
///
/// A path may hold spaces and commas. The label is what follows the path's image extension: `my dog.jpg dog`. Behind a
/// tab anything is a label; behind a path without an image's extension only a whole number is. Lines that begin with #
/// are comments, unless they name a file.
package struct PathList {
  package struct Entry: Equatable, Sendable {
    package var path: String
    package var label: String?
    /// Counted from 1.
    package var line: Int

    package init(path: String, label: String?, line: Int) {
      (self.path, self.label, self.line) = (path, label, line)
    }
  }

  package private(set) var entries: [Entry] = []

  /// - Parameters:
  ///   - bytes: UTF-8, perhaps with a byte order mark.
  ///   - isImage: Whether an extension, such as `.jpg`, is an image's.
  ///   - isThere: Whether a file of this name is there.
  package init(
    _ bytes: [UInt8], isImage: (String) -> Bool, isThere: (String) -> Bool
  ) throws(TableError) {
    let text = try tableText(bytes)
    var number = 0
    for raw in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let line = trimmed(raw)
      if line.isEmpty || (line.first == UInt8(ascii: "#") && !isThere(string(line))) { continue }
      entries.append(try Self.entry(line, number, isImage))
    }
  }

  private static func entry(
    _ line: ArraySlice<UInt8>, _ number: Int, _ isImage: (String) -> Bool
  ) throws(TableError) -> Entry {
    func entry(_ gap: Int) -> Entry {
      let label = trimmed(line[(gap + 1)...])
      return Entry(
        path: string(trimmed(line[..<gap])), label: label.isEmpty ? nil : string(label), line: number)
    }
    func isImagePath(_ path: ArraySlice<UInt8>) -> Bool {
      let end = path.suffix(12)
      guard let dot = end.lastIndex(of: UInt8(ascii: ".")) else { return false }
      return isImage(string(end[dot...]))
    }
    let lastSlash = line.lastIndex(of: UInt8(ascii: "/")) ?? -1
    var end = line.endIndex
    while let gap = line[..<end].lastIndex(where: isGap) {
      let path = trimmed(line[..<gap])
      // "a.jpg copy/b 5" and "a.jpg copy.jpg" are paths.
      if isImagePath(path), gap > lastSlash, !isImagePath(line) {
        let label = trimmed(line[(gap + 1)...])
        let parts = label.split(whereSeparator: isGap)
        if parts.count > 1, parts.allSatisfy({ Double(string($0)) != nil }) {
          throw TableError(
            line: number, detail: "has several labels, \(string(label)); give each image one class")
        }
        return entry(gap)
      }
      end = path.endIndex
    }
    if let tab = line.lastIndex(of: UInt8(ascii: "\t")) { return entry(tab) }
    if let space = line.lastIndex(of: UInt8(ascii: " ")), Int(string(line[(space + 1)...])) != nil {
      return entry(space)
    }
    return Entry(path: string(line), label: nil, line: number)
  }
}

private func isGap(_ byte: UInt8) -> Bool {
  byte == UInt8(ascii: "\t") || byte == UInt8(ascii: " ") || byte == UInt8(ascii: ",")
}

private func string(_ bytes: ArraySlice<UInt8>) -> String { FileName.text(bytes) }

/// Without spaces, tabs and carriage returns around it.
private func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
  func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (9...13).contains(byte) }
  let text = text.drop(while: isSpace)
  return text[..<(text.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? text.startIndex)]
}

/// The labels of a list as classes: numbers stay numbers, other labels are sorted by their bytes.
package struct LabelNumbers: Equatable, Sendable {
  /// One for each entry, or empty.
  package let labels: [Int32]
  package let classNames: [String]

  package static let limit = 1_000_000

  package init(labels: [Int32], classNames: [String]) {
    (self.labels, self.classNames) = (labels, classNames)
  }

  /// - Parameter labels: Of each entry, with its line.
  package init(_ labels: [(label: String?, line: Int)]) throws(TableError) {
    guard let first = labels.first else {
      (self.labels, classNames) = ([], [])
      return
    }
    for entry in labels where (entry.label == nil) != (first.label == nil) {
      let which =
        entry.label == nil
        ? "has no label, the ones before it have" : "has a label, the ones before it have none"
      throw TableError(line: entry.line, detail: which + "; give all lines one or none")
    }
    guard let firstLabel = first.label else {
      (self.labels, classNames) = ([], [])
      return
    }
    let areNumbers = Int(firstLabel) != nil
    var numbers: [Int32] = []
    var names: Set<String> = []
    for (label, line) in labels {
      let label = label ?? ""
      guard (Int(label) != nil) == areNumbers else {
        throw TableError(
          line: line,
          detail:
            "has the label \(label), and the ones before it have \(areNumbers ? "numbers" : "names"); give all "
            + "lines numbers or names")
      }
      if let number = Int(label) {
        guard (0..<Self.limit).contains(number) else {
          throw TableError(line: line, detail: "the label \(number) is outside 0...\(Self.limit - 1)")
        }
        numbers.append(Int32(number))
      } else {
        names.insert(label)
        guard names.count <= Self.limit else {
          throw TableError(line: line, detail: "is the first with more than \(Self.limit) classes before it")
        }
      }
    }
    if areNumbers {
      (self.labels, classNames) = (numbers, (0...(numbers.max() ?? 0)).map(String.init))
    } else {
      let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      let place = Dictionary(uniqueKeysWithValues: zip(sorted, Int32(0)...))
      self.labels = labels.map { place[$0.label ?? ""] ?? 0 }
      classNames = sorted
    }
  }
}
