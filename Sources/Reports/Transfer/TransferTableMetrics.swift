import Files
import Foundation

/// The numbers of a command's end by name, in percent: of the last test in its `log.jsonl`, or of the JSON object that it
/// printed.
struct TransferTableMetrics: Equatable {
  private var values: [String: Double?] = [:]

  /// - Parameter name: As a spec writes it: `AP50`, `segm/AP`, `mIoU`, `top-1`.
  /// - Returns: nil if there is no such number; a number that is not defined is nil inside.
  subscript(name: String) -> Double?? { values[TransferTableMetrics.form(name)] }

  /// So that `mIoU` is `m_io_u` and `top-1` is `top1`.
  private static func form(_ name: String) -> String { name.lowercased().filter { $0 != "_" && $0 != "-" } }

  private mutating func add(_ name: String, _ value: Double?) {
    let form = TransferTableMetrics.form(name)
    if values[form] == nil { values[form] = .some(value.flatMap { $0.isFinite ? $0 : nil }) }
  }

  init() {}

  /// Of a run: the last line of `log.jsonl` that is a test.
  init(log path: String) {
    guard let data = FileManager.default.contents(atPath: path) else { return }
    let tests: Set = ["detection", "segmentation"]
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n").reversed() {
      guard let event = JSONValue(line.utf8), tests.contains(event["event"]?.text ?? "") else { continue }
      read(event)
      return
    }
  }

  /// Of the object that a command with `--json` printed.
  init(result path: String) {
    guard let data = FileManager.default.contents(atPath: path), let object = JSONValue(data) else { return }
    read(object)
    // Of kNN's rows, which may be of other encoders too, the one of the given encoder.
    let rows = object["results"]?.list ?? []
    if let row = rows.first(where: { $0["encoder"]?.text == "trained encoder" }) ?? rows.first { read(row) }
  }

  /// Numbers of the object itself, those of its list `values` of `name` and `percent`, and those of its `scores`, of which a
  /// detector's have a `kind` as well; the first kind's have short names too.
  private mutating func read(_ object: JSONValue) {
    for scores in [object] + (object["scores"].map { $0.list ?? [$0] } ?? []) {
      for value in scores["values"]?.list ?? [] {
        guard let name = value["name"]?.text else { continue }
        let percent = value["percent"]?.number
        if let kind = scores["kind"]?.text { add("\(kind)/\(name)", percent) }
        add(name, percent)
      }
    }
    for (name, value) in object.members {
      if let number = value.number { add(name, number) }
    }
  }
}

/// A value of JSON of any form.
private enum JSONValue: Decodable {
  case number(Double), text(String), list([JSONValue]), object([String: JSONValue])
  /// true, false and null.
  case other

  init?(_ text: some Sequence<UInt8>) {
    guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text)) else { return nil }
    self = value
  }

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if let number = try? single.decode(Double.self) {
      self = .number(number)
    } else if let text = try? single.decode(String.self) {
      self = .text(text)
    } else if let list = try? single.decode([JSONValue].self) {
      self = .list(list)
    } else if let object = try? single.decode([String: JSONValue].self) {
      self = .object(object)
    } else {
      self = .other
    }
  }

  var number: Double? { if case .number(let number) = self { number } else { nil } }
  var text: String? { if case .text(let text) = self { text } else { nil } }
  var list: [JSONValue]? { if case .list(let list) = self { list } else { nil } }
  var members: [String: JSONValue] { if case .object(let members) = self { members } else { [:] } }

  subscript(key: String) -> JSONValue? { members[key] }
}
