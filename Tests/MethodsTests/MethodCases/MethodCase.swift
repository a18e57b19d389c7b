import Foundation
import TestSupport
import Testing
import Torch

/// A file of reference numbers, or a part of one: typed access by name, and comparison.
///
/// `try file.at("steps", 0).number("loss")` is the loss of the first step. A missing or different entry throws
/// ``Missing`` with its place.
struct MethodCase: Sendable {
  /// The file's name without its ending, and the path of the part: `densecl/steps/0`.
  let name: String
  let value: JSONValue

  /// An entry that a file lacks, or has in another form.
  struct Missing: Error, CustomStringConvertible {
    let name: String
    let form: String
    var description: String { "\(name) is not \(form)" }
  }

  init(contentsOf file: URL) throws {
    name = file.deletingPathExtension().lastPathComponent
    value = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))
  }

  private init(name: String, value: JSONValue) { (self.name, self.value) = (name, value) }

  private func read<Value>(_ key: String, _ form: String, _ get: (JSONValue) -> Value?) throws -> Value {
    guard case .object(let fields) = value, let entry = fields[key], let found = get(entry) else {
      throw Missing(name: "\(name)/\(key)", form: form)
    }
    return found
  }
}

// MARK: - Access

extension MethodCase {
  /// The settings of the case.
  var settings: MethodCase { get throws { try at("case") } }

  func has(_ key: String) -> Bool {
    guard case .object(let fields) = value else { return false }
    return fields[key].map { $0 != .null } ?? false
  }

  /// The object under a name.
  func at(_ key: String) throws -> MethodCase {
    MethodCase(name: "\(name)/\(key)", value: try read(key, "an object") { $0.isObject ? $0 : nil })
  }

  /// The objects of a list.
  func parts(_ key: String) throws -> [MethodCase] {
    try read(key, "a list of objects", \.list).enumerated().map { number, value in
      guard value.isObject else { throw Missing(name: "\(name)/\(key)/\(number)", form: "an object") }
      return MethodCase(name: "\(name)/\(key)/\(number)", value: value)
    }
  }

  /// All objects in this one, by name.
  var children: [(key: String, part: MethodCase)] {
    guard case .object(let fields) = value else { return [] }
    return fields.filter(\.value.isObject).sorted { $0.key < $1.key }
      .map { ($0.key, MethodCase(name: "\(name)/\($0.key)", value: $0.value)) }
  }

  func number(_ key: String) throws -> Double { try read(key, "a number", \.number) }
  func integer(_ key: String) throws -> Int { try read(key, "a whole number", \.integer) }
  func flag(_ key: String) throws -> Bool { try read(key, "true or false", \.flag) }
  func text(_ key: String) throws -> String { try read(key, "text", \.text) }

  func numbers(_ key: String) throws -> [Double] { try list(key, "numbers", \.number) }
  func integers(_ key: String) throws -> [Int] { try list(key, "whole numbers", \.integer) }
  func texts(_ key: String) throws -> [String] { try list(key, "texts", \.text) }
  func numberRows(_ key: String) throws -> [[Double]] {
    try list(key, "rows of numbers") { $0.list?.all(\.number) }
  }
  func integerRows(_ key: String) throws -> [[Int]] {
    try list(key, "rows of whole numbers") { $0.list?.all(\.integer) }
  }
  /// Rows of rows: a list for every step, say, of pairs.
  func integerTables(_ key: String) throws -> [[[Int]]] {
    try list(key, "tables of whole numbers") { table in table.list?.all { $0.list?.all(\.integer) } }
  }

  private func list<Value>(_ key: String, _ form: String, _ get: (JSONValue) -> Value?) throws -> [Value] {
    try read(key, "a list of \(form)") { $0.list?.all(get) }
  }

  /// Numbers by name: norms of parameters, say.
  func named(_ key: String) throws -> [String: Double] {
    try read(key, "numbers by name") { value in
      guard case .object(let fields) = value else { return nil }
      let numbers = fields.compactMapValues(\.number)
      return numbers.count == fields.count ? numbers : nil
    }
  }

  func digest(_ key: String) throws -> Digest {
    let part = try at(key)
    return Digest(
      name: part.name, shape: try part.integers("shape"), sum: try part.number("sum"),
      l2: try part.number("l2"), dot: try part.number("dot"), first: try part.numbers("first"),
      last: try part.numbers("last"))
  }

  /// The rows [name, shape, salt] under `parameters`.
  func parameters(_ key: String = "parameters") throws -> [Parameter] {
    try list(key, "rows [name, shape, salt]") { row in
      guard let row = row.list, row.count == 3, let name = row[0].text,
        let shape = row[1].list?.all(\.integer), row[2] == .null || row[2].integer != nil
      else { return nil }
      return Parameter(name: name, shape: shape, salt: row[2].integer)
    }
  }
}

extension [JSONValue] {
  /// All elements in one form; nil if one has another.
  fileprivate func all<Value>(_ get: (JSONValue) -> Value?) -> [Value]? {
    let values = compactMap(get)
    return values.count == count ? values : nil
  }
}

/// A value of a file.
enum JSONValue: Decodable, Equatable, Sendable {
  case null
  case flag(Bool)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  init(from decoder: Decoder) throws {
    let field = try decoder.singleValueContainer()
    if field.decodeNil() {
      self = .null
    } else if let number = try? field.decode(Double.self) {
      self = .number(number)
    } else if let list = try? field.decode([JSONValue].self) {
      self = .list(list)
    } else if let fields = try? field.decode([String: JSONValue].self) {
      self = .object(fields)
    } else if let text = try? field.decode(String.self) {
      self = .text(text)
    } else {
      self = .flag(try field.decode(Bool.self))
    }
  }

  var number: Double? { if case .number(let number) = self { number } else { nil } }
  var integer: Int? { number.flatMap(Int.init(exactly:)) }
  var flag: Bool? { if case .flag(let flag) = self { flag } else { nil } }
  var text: String? { if case .text(let text) = self { text } else { nil } }
  var list: [JSONValue]? { if case .list(let list) = self { list } else { nil } }
  var isObject: Bool { if case .object = self { true } else { false } }
}
