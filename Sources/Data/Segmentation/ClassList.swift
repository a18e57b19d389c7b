import Files
import Foundation
import Images

/// A file `classes.txt`: a class a line, in the order of the masks' numbers; for masks of colours `name r g b`, where
/// the name `ignored` stands for pixels of no class.
struct ClassList: Sendable, Equatable {
  /// 255 is the number of ignored pixels.
  static let most = 255
  static let ignoredName = "ignored"

  let path: String
  let names: [String]
  /// One a class; none where lines have no colours.
  let colors: [SIMD3<UInt8>]
  /// The colours of ignored pixels.
  let ignored: [SIMD3<UInt8>]

  /// The first `classes.txt` in the folders, if there is one.
  ///
  /// - Throws: ``DatasetError`` for a file that contradicts itself.
  static func find(in folders: [String]) throws(DatasetError) -> ClassList? {
    for folder in folders {
      let path = folder + "/classes.txt"
      if FileKind(FilePath(path)) == .file { return try ClassList(path) }
    }
    return nil
  }

  /// - Throws: ``DatasetError``.
  init(_ path: String) throws(DatasetError) {
    let bytes: [UInt8]
    do { bytes = try readFile(path, limit: 1 << 20) } catch {
      throw .unreadable(path: path, reason: "\(error.reason)")
    }
    let text: ArraySlice<UInt8>
    do { text = try tableText(bytes) } catch {
      throw .badLine(path: path, line: error.line, detail: error.detail)
    }
    var lines = text.split(separator: 10, omittingEmptySubsequences: false).map {
      FileName.text($0).trimmingCharacters(in: .whitespacesAndNewlines)
    }
    while lines.last?.isEmpty == true { lines.removeLast() }
    var reading = Reading(path: path)
    for (place, text) in lines.enumerated() { try reading.add(text, line: place + 1) }
    guard !reading.names.isEmpty else {
      throw .badFile(reason: "\(path) names no class; write one a line, in the order of the masks' numbers")
    }
    guard reading.names.count <= Self.most else {
      throw .badFile(
        reason:
          "\(path) names \(reading.names.count) classes; \(Self.most) are the most, because 255 is the number "
          + "of ignored pixels")
    }
    (self.path, names, colors, ignored) = (path, reading.names, reading.colors, reading.ignored)
  }

  private struct Reading {
    let path: String
    var names: [String] = []
    var colors: [SIMD3<UInt8>] = []
    var ignored: [SIMD3<UInt8>] = []
    private var lines: [String: Int] = [:]
    private var owners: [SIMD3<UInt8>: (name: String, line: Int)] = [:]

    init(path: String) { self.path = path }

    mutating func add(_ text: String, line: Int) throws(DatasetError) {
      guard !text.isEmpty else {
        throw .badLine(
          path: path, line: line, detail: "it is empty, and would move the numbers of the classes behind it")
      }
      let (name, color) = try parts(of: text, line: line)
      guard line == 1 || (color == nil) == owners.isEmpty else {
        throw .badLine(
          path: path, line: line,
          detail: color == nil
            ? "`\(text)` has no colour, and the lines before have; write `name r g b`"
            : "`\(name)` has a colour, and the lines before have none; write all with colours or none")
      }
      if let color { try add(color, of: name, line: line) }
      if color != nil, name.lowercased() == ClassList.ignoredName {
        if let color { ignored.append(color) }
        return
      }
      if let before = lines[name] {
        throw .badLine(
          path: path, line: line,
          detail: "the class `\(name)` is that of line \(before) too; a class has one line"
            + (color == nil ? "" : " and one colour"))
      }
      lines[name] = line
      names.append(name)
      if let color { colors.append(color) }
    }

    private mutating func add(_ color: SIMD3<UInt8>, of name: String, line: Int) throws(DatasetError) {
      if let owner = owners[color] {
        throw .badLine(
          path: path, line: line,
          detail: "\(text(of: color)) is the colour of `\(owner.name)` in line \(owner.line) too; "
            + "give each class a colour of its own")
      }
      owners[color] = (name, line)
    }

    /// The name and the three numbers behind it, if there are any.
    private func parts(
      of text: String, line: Int
    ) throws(DatasetError) -> (name: String, color: SIMD3<UInt8>?) {
      let words = text.split(whereSeparator: \.isWhitespace)
      let numbers = words.suffix(3).compactMap { Int($0) }
      guard words.count >= 4, numbers.count == 3 else { return (text, nil) }
      let levels = numbers.compactMap { UInt8(exactly: $0) }
      guard levels.count == 3 else {
        throw .badLine(
          path: path, line: line,
          detail: "\(numbers.map(String.init).joined(separator: " ")) is no colour; its numbers are 0 to 255")
      }
      return (words.dropLast(3).joined(separator: " "), SIMD3(levels[0], levels[1], levels[2]))
    }
  }
}

/// "128 0 64".
func text(of color: SIMD3<UInt8>) -> String { "\(color.x) \(color.y) \(color.z)" }
