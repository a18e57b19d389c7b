import Methods

/// One combination of settings, to be trained once a seed.
package struct AblationCell: Sendable, Equatable {
  /// A key of the grid and its value, as the spec writes it.
  package struct Value: Sendable, Equatable {
    package let key: String
    package let text: String
  }

  /// The group's name; empty where a spec has none.
  package let group: String
  package let values: [Value]
  /// The configuration of every run, but for the seed.
  package let config: RunConfig

  /// For people: `queue, moco-k 4096`.
  package var label: String {
    let parts = (group.isEmpty ? [] : [group]) + values.map { "\($0.key) \($0.text)" }
    return parts.isEmpty ? "all" : parts.joined(separator: ", ")
  }

  /// For a folder: different for each cell, and safe on every file system.
  package var name: String {
    let parts = (group.isEmpty ? [] : [group]) + values.map { "\($0.key)=\($0.text)" }
    return parts.isEmpty ? "all" : folderName(parts)
  }

  /// The configuration of one run.
  package func config(seed: UInt64) -> RunConfig {
    var config = config
    config.seed = seed
    return config
  }
}
