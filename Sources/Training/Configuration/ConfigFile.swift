import Data
import Files
import Foundation
import Models
import Torch
import Yams

/// Recipes that come with the program, each a YAML file in `Recipes/`.
package enum Recipe: String, CaseIterable, Sendable {
  case v1, v2
  case v3ResNet50 = "v3-resnet50"
  case v3ViTSmall = "v3-vit-small"
  case v3ViTBase = "v3-vit-base"
  case cifar, demo
  // CIFAR-10 by other methods, for comparison.
  case simCLR = "simclr"
  case byol
  case simSiam = "simsiam"
  case instDisc = "instdisc"
  case cpc, rotation, jigsaw
  case relativePosition = "relative-position"

  /// The file's text.
  package var text: String {
    switch self {
    case .v1: String(decoding: PackageResources.v1_yaml, as: UTF8.self)
    case .v2: String(decoding: PackageResources.v2_yaml, as: UTF8.self)
    case .v3ResNet50: String(decoding: PackageResources.v3_resnet50_yaml, as: UTF8.self)
    case .v3ViTSmall: String(decoding: PackageResources.v3_vit_small_yaml, as: UTF8.self)
    case .v3ViTBase: String(decoding: PackageResources.v3_vit_base_yaml, as: UTF8.self)
    case .cifar: String(decoding: PackageResources.cifar_yaml, as: UTF8.self)
    case .demo: String(decoding: PackageResources.demo_yaml, as: UTF8.self)
    case .simCLR: String(decoding: PackageResources.simclr_yaml, as: UTF8.self)
    case .byol: String(decoding: PackageResources.byol_yaml, as: UTF8.self)
    case .simSiam: String(decoding: PackageResources.simsiam_yaml, as: UTF8.self)
    case .instDisc: String(decoding: PackageResources.instdisc_yaml, as: UTF8.self)
    case .cpc: String(decoding: PackageResources.cpc_yaml, as: UTF8.self)
    case .rotation: String(decoding: PackageResources.rotation_yaml, as: UTF8.self)
    case .jigsaw: String(decoding: PackageResources.jigsaw_yaml, as: UTF8.self)
    case .relativePosition: String(decoding: PackageResources.relative_position_yaml, as: UTF8.self)
    }
  }
}

extension RunConfig {
  /// The configuration of a recipe, named or in a file of one's own.
  package static func recipe(_ nameOrPath: String) throws -> RunConfig {
    if let recipe = Recipe(rawValue: nameOrPath) {
      return try RunConfig(yaml: recipe.text, source: "recipe \(recipe.rawValue)")
    }
    guard nameOrPath.hasSuffix(".yaml") || nameOrPath.hasSuffix(".yml") else {
      let names = Recipe.allCases.map(\.rawValue)
      throw UsageError(
        "--recipe \(nameOrPath): there is no such recipe.\(suggestion(for: nameOrPath, among: names)) "
          + "There are \(names.joined(separator: ", ")), or the path of a .yaml file.")
    }
    guard let text = try? String(contentsOfFile: nameOrPath, encoding: .utf8) else {
      throw UsageError("--recipe \(nameOrPath): the file cannot be read.")
    }
    return try RunConfig(yaml: text, source: nameOrPath)
  }

  /// Reads YAML over the defaults. Unknown keys are errors that name the nearest known one.
  package init(yaml: String, source: String) throws {
    self = try RunConfig().setting(try Node.Mapping(lines: yaml, source: source), source: source)
  }

  /// This configuration with other values for some keys.
  package func setting(_ given: Node.Mapping, source: String) throws -> RunConfig {
    let known = CodingKeys.allCases.map(\.rawValue)
    try given.checkKeys(known, source: source, hint: "`moco pretrain --print-config` shows all keys.")
    var all = try YAMLEncoder().encode(self).asMapping()
    for (key, value) in given { all[key] = value }
    do {
      return try YAMLDecoder().decode(RunConfig.self, from: Yams.serialize(node: .mapping(all)))
    } catch let error as DecodingError {
      throw UsageError("\(source): \(error.inWords(given))")
    }
  }

  /// All keys, in order, as a YAML file; what is left to the program appears as a comment.
  package func yaml() throws -> String {
    let encoded = try YAMLEncoder().encode(self).asMapping()
    return try CodingKeys.allCases.map { key in
      guard let value = encoded[Node(key.rawValue)] else { return "# \(key.rawValue):\n" }
      return try Yams.serialize(node: .mapping([Node(key.rawValue): value.readable]))
    }.joined()
  }
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

  /// Refuses keys that are not known, and names the nearest known one.
  package func checkKeys(_ known: [String], source: String, hint: String) throws {
    for key in keys {
      let name = key.string ?? "?"
      guard !known.contains(name) else { continue }
      throw UsageError("\(source): there is no key `\(name)`.\(suggestion(for: name, among: known)) \(hint)")
    }
  }
}

extension String {
  fileprivate func asMapping() throws -> Node.Mapping {
    try Yams.compose(yaml: self)?.mapping ?? Node.Mapping([])
  }
}

extension Node {
  /// Lists on one line, `[120, 160]`, and numbers as people write them, `0.1` for `1e-1`.
  fileprivate var readable: Node {
    if let sequence { return .sequence(Node.Sequence(Array(sequence), .implicit, .flow)) }
    guard let scalar, let number = Double(scalar.string), scalar.string.contains("e") else { return self }
    return Node("\(number)")
  }
}

extension DecodingError {
  /// The key, what was given for it, and what it takes.
  fileprivate func inWords(_ given: Node.Mapping) -> String {
    guard let name = context.codingPath.first?.stringValue, let value = given[Node(name)] else {
      return context.debugDescription
    }
    if value.scalar == nil, name != RunConfig.CodingKeys.schedule.rawValue {
      return "`\(name)`: expected one value, not a \(value.sequence == nil ? "mapping" : "list")."
    }
    if case .typeMismatch(let type, _) = self {
      return "`\(name)`: expected \(DecodingError.words(type)), not `\(value.shown)`."
    }
    guard let choices = RunConfig.CodingKeys(rawValue: name)?.choices else {
      return "`\(name)`: \(context.debugDescription)"
    }
    return "`\(name)`: there is no `\(value.shown)`.\(suggestion(for: value.shown, among: choices)) "
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

  private static func words(_ type: any Any.Type) -> String {
    switch type {
    case is Bool.Type: "true or false"
    case is Double.Type: "a number"
    case is Int.Type, is UInt64.Type: "a whole number"
    default: "a value"
    }
  }
}

extension RunConfig.CodingKeys {
  /// All values of a key that is a choice.
  fileprivate var choices: [String]? {
    func all<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> [String] {
      Choice.allCases.map(\.rawValue)
    }
    return switch self {
    case .method: all(MethodChoice.self)
    case .mechanism: all(Mechanism.self)
    case .bank: all(BankDevice.self)
    case .arch: all(Architecture.self)
    case .stem: all(Stem.self)
    case .views: all(AugmentationPreset.self)
    case .optimizer: all(OptimizerChoice.self)
    case .precision: all(Precision.self)
    case .cache: all(CacheChoice.self)
    default: nil
    }
  }
}

extension Node {
  /// As a person would write it in a table.
  package var shown: String {
    if let sequence { return sequence.map(\.shown).joined(separator: ", ") }
    return scalar?.string ?? ""
  }
}
