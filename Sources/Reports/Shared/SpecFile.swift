import Files
import Foundation
import Training
import Yams

// Reading of specs, which are YAML files.

/// The YAML of a ready spec by its name, or of a file.
func specText(_ nameOrPath: String, ready: [(name: String, text: String)]) throws -> String {
  if let spec = ready.first(where: { $0.name == nameOrPath }) { return spec.text }
  guard nameOrPath.hasSuffix(".yaml") || nameOrPath.hasSuffix(".yml") else {
    let names = ready.map(\.name)
    throw UsageError(
      "\(nameOrPath): there is no such spec.\(suggestion(for: nameOrPath, among: names)) "
        + "There are \(names.joined(separator: ", ")), or the path of a .yaml file.")
  }
  guard let text = try? String(contentsOfFile: nameOrPath, encoding: .utf8) else {
    throw UsageError("\(nameOrPath): the file cannot be read.")
  }
  return text
}

extension Node.Mapping {
  func text(_ key: String, _ source: String) throws -> String? {
    guard let node = self[Node(key)] else { return nil }
    guard let text = node.scalar?.string else { throw UsageError("\(source): `\(key)`: expected a text.") }
    return text
  }

  /// Settings without a seed, which a spec has several of.
  func block(_ key: String, _ source: String) throws -> Node.Mapping {
    let mapping = try lines(key, source)
    guard mapping["seed"] == nil else { throw useSeeds(key, source) }
    return mapping
  }

  /// Lines of `key: value`; none where the key is missing.
  func lines(_ key: String, _ source: String) throws -> Node.Mapping {
    guard let node = self[Node(key)] else { return Node.Mapping([]) }
    guard let mapping = node.mapping else {
      throw UsageError("\(source): `\(key)`: expected lines of `key: value`.")
    }
    return mapping
  }

  /// Seeds that differ; nil where there are none.
  func seeds(_ source: String) throws -> [UInt64]? {
    guard let given = self["seeds"] else { return nil }
    let seeds = given.sequence?.compactMap { $0.scalar.flatMap { UInt64($0.string) } } ?? []
    guard !seeds.isEmpty, seeds.count == given.sequence?.count, Set(seeds).count == seeds.count else {
      throw UsageError("\(source): `seeds`: expected a list of different whole numbers such as [1, 2, 3].")
    }
    return seeds
  }
}

func useSeeds(_ key: String, _ source: String) -> UsageError {
  UsageError("\(source): `\(key)`: give `seeds: [1, 2]` instead of seed.")
}
