import Files
import Foundation
import Methods
import Yams

extension CommandConfig {
  /// The configuration of a recipe, given by name or by the path of a file.
  package static func recipe(_ nameOrPath: String) throws -> Self {
    if let (_, text) = recipes.first(where: { $0.name == nameOrPath }) {
      return try Self(recipe: String(decoding: text, as: UTF8.self), source: "recipe \(nameOrPath)")
    }
    let names = recipes.map(\.name)
    guard nameOrPath.hasSuffix(".yaml") || nameOrPath.hasSuffix(".yml") else {
      throw UsageError(
        "--recipe \(nameOrPath): there is no such recipe.\(suggestion(for: nameOrPath, among: names)) "
          + "There are \(names.joined(separator: ", ")), or the path of a .yaml file.")
    }
    guard let text = try? String(contentsOfFile: nameOrPath, encoding: .utf8) else {
      throw UsageError("--recipe \(nameOrPath): the file cannot be read.")
    }
    return try Self(recipe: text, source: nameOrPath)
  }

  /// Reads a recipe over the defaults. Keys that it does not use are errors, unless they
  /// have their default value, as in a file from `--print-config`.
  package init(recipe yaml: String, source: String) throws {
    let given = try Node.Mapping(lines: yaml, source: source)
    // A file with most of the keys was printed, not written: it has those without a use as well, and keys that
    // are newer than it have the value of older runs.
    let isPrinted = given.count >= Self.keys.count / 2
    guard !isPrinted else {
      self = try Self.olderRun.setting(given, source: source)
      return
    }
    self = try Self().taking(given, source: source)
    for name in given.keys.compactMap(\.string) {
      guard let key = Self.key(name), !key.isDefault(in: self), let reason = uselessness(of: key) else {
        continue
      }
      throw UsageError("\(source): `\(name)`: \(reason). Leave it out.")
    }
  }

  /// Reads the configuration of a run from YAML; keys that are newer than it have the value of older runs. An
  /// unknown key is an error that names the nearest known key.
  package init(yaml: String, source: String) throws {
    self = try Self.olderRun.setting(try Node.Mapping(lines: yaml, source: source), source: source)
  }

  /// This configuration with other values for some keys.
  package func setting(_ given: Node.Mapping, source: String) throws -> Self {
    try given.checkKeys(
      Self.keys.map(\.name), source: source, hint: "`moco \(Self.command) --print-config` shows all keys.")
    var config = self
    for (name, value) in given {
      guard let key = name.string.flatMap({ Self.key($0) }) else { continue }
      do {
        try config.set(key, to: value)
      } catch let error as DecodingError {
        throw UsageError("\(source): `\(key.name)`: \(error.message(key, value))")
      }
    }
    return config
  }

  /// The same for keys that somebody has written, which may contradict each other; a printed file has all keys.
  package func taking(_ given: Node.Mapping, source: String) throws -> Self {
    var config = try setting(given, source: source)
    do {
      try config.settle(given: Set(given.keys.compactMap(\.string)))
    } catch let error as UsageError {
      throw UsageError("\(source): \(error.description)")
    }
    return config
  }

  private mutating func set(_ key: any KeyOf<Self>, to node: Node) throws {
    guard node.tag.description != "tag:yaml.org,2002:null" else { return key.reset(in: &self) }
    let decoder = try YAMLDecoder().decode(DecoderBox.self, from: node).decoder
    try key.decode(from: decoder, in: &self)
  }

  /// All keys, in order, as a YAML file; values that the program chooses appear as comments.
  package func yaml() throws -> String {
    let encoded = try Yams.compose(yaml: YAMLEncoder().encode(self))?.mapping ?? Node.Mapping([])
    return try Self.keys.map { key in
      guard let value = encoded[Node(key.name)] else { return "# \(key.name):\n" }
      return try Yams.serialize(node: .mapping([Node(key.name): value.readable]))
    }.joined()
  }

  /// A checksum of all keys.
  package var hash: String {
    get throws { String(Array(try yaml().utf8).withUnsafeBytes { crc32($0) }, radix: 16) }
  }
}

/// Keeps the decoder of a value whose type only its key has.
private struct DecoderBox: Decodable {
  let decoder: any Decoder
  init(from decoder: any Decoder) { self.decoder = decoder }
}

extension Node.Mapping {
  /// Lines of `key: value`.
  package init(lines yaml: String, source: String) throws {
    let node: Node?
    do {
      node = try Yams.compose(yaml: yaml)
    } catch {
      throw UsageError("\(source): this is no YAML: \(error)")
    }
    guard let mapping = node?.mapping else { throw UsageError("\(source): expected lines of `key: value`.") }
    self = mapping
  }

  /// Raises an error for unknown keys, with the nearest known key.
  package func checkKeys(_ known: [String], source: String, hint: String) throws {
    for key in keys {
      let name = key.string ?? "?"
      guard !known.contains(name) else { continue }
      throw UsageError("\(source): there is no key `\(name)`.\(suggestion(for: name, among: known)) \(hint)")
    }
  }
}

extension Node {
  /// Lists on one line, `[120, 160]`, and numbers in decimal form, `0.1` for `1e-1`.
  fileprivate var readable: Node {
    if let sequence { return .sequence(Node.Sequence(sequence.map(\.readable), .implicit, .flow)) }
    guard let scalar, let number = Double(scalar.string), scalar.string.contains("e") else { return self }
    return Node("\(number)")
  }

  /// The value as plain text for a table.
  package var shown: String {
    if let sequence { return sequence.map(\.shown).joined(separator: ", ") }
    return scalar?.string ?? ""
  }
}

extension DecodingError {
  /// The accepted form of the key, and the given value.
  fileprivate func message(_ key: any AnyKey, _ value: Node) -> String {
    if value.scalar == nil, !key.takesList {
      return "expected one value, not a \(value.sequence == nil ? "mapping" : "list")."
    }
    if case .typeMismatch(let type, _) = self {
      return "expected \(DecodingError.form(of: type)), not `\(value.shown)`."
    }
    guard let choices = key.choices else { return context.debugDescription }
    return "there is no `\(value.shown)`.\(suggestion(for: value.shown, among: choices)) "
      + "There are \(choices.joined(separator: ", "))."
  }

  private var context: Context {
    switch self {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
      .dataCorrupted(let found):
      found
    @unknown default: Context(codingPath: [], debugDescription: "\(self)")
    }
  }

  private static func form(of type: any Any.Type) -> String {
    switch type {
    case is Bool.Type: "true or false"
    case is Double.Type: "a number"
    case is Int.Type, is UInt64.Type: "a whole number"
    default: "a value"
    }
  }
}
