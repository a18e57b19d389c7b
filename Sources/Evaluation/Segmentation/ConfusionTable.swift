import Files
import Images

/// A file of a confusion matrix: a table of pixels with a row for each true class and a column for each predicted one.
package struct ConfusionTable: Sendable, Equatable {
  package let classNames: [String]
  package let matrix: ConfusionMatrix

  package init(_ matrix: ConfusionMatrix, classNames: [String]) {
    precondition(
      classNames.count == matrix.classes, "\(classNames.count) names of \(matrix.classes) classes")
    (self.matrix, self.classNames) = (matrix, classNames)
  }

  /// Comma-separated values.
  package var csv: String {
    func field(_ text: String) -> String {
      text.contains(where: { ",\"\n\r".contains($0) })
        ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
    let head = (["true \\ predicted"] + classNames).map(field).joined(separator: ",")
    let rows = classNames.indices.map { truth in
      ([field(classNames[truth])] + classNames.indices.map { "\(matrix[truth, $0])" }).joined(separator: ",")
    }
    return ([head] + rows).joined(separator: "\n") + "\n"
  }

  /// Bytes of the largest file that is read.
  private static let limit = 4 << 20

  /// - Throws: `FileError`, or `RunError` for a file that holds no such table.
  package init(contentsOf path: String) throws {
    let text = String(decoding: try readFile(path, limit: Self.limit), as: UTF8.self)
    var lines = Self.records(text)
    let head = lines.isEmpty ? [] : lines.removeFirst()
    let classes = head.count - 1
    guard (1...255).contains(classes), lines.count == classes else {
      throw RunError("\(path): this is no table of \(max(classes, 0)) classes.")
    }
    var counts: [Int] = []
    for line in lines {
      // 2^40 pixels a cell: no sum of 255² cells overflows.
      let numbers = line.dropFirst().compactMap { Int($0).flatMap { (0...1 << 40).contains($0) ? $0 : nil } }
      guard line.count == head.count, numbers.count == classes else {
        throw RunError("\(path): the row `\(line.first ?? "")` has no \(classes) numbers of pixels.")
      }
      counts += numbers
    }
    self.init(ConfusionMatrix(classes: classes, counts: counts), classNames: Array(head.dropFirst()))
  }

  /// The fields of each line; a field in quotation marks may hold commas and lines.
  private static func records(_ text: String) -> [[String]] {
    var (records, record, field): ([[String]], [String], String) = ([], [], "")
    var isQuoted = false
    var rest = text[...]
    while let character = rest.popFirst() {
      if isQuoted {
        if character != "\"" {
          field.append(character)
        } else if rest.first == "\"" {
          field.append("\"")
          rest.removeFirst()
        } else {
          isQuoted = false
        }
        continue
      }
      switch character {
      case "\"": isQuoted = true
      case ",":
        record.append(field)
        field = ""
      case "\n", "\r\n":
        records.append(record + [field])
        (record, field) = ([], "")
      default: field.append(character)
      }
    }
    return field.isEmpty && record.isEmpty ? records : records + [record + [field]]
  }
}
