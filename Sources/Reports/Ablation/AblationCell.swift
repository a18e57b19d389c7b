import Files
import Foundation
import Methods

/// One combination of settings, to be trained once a seed.
package struct AblationCell: Sendable, Equatable {
  /// A key of the grid and what it is here, as the spec writes it.
  package struct Value: Sendable, Equatable {
    package let key: String
    package let text: String
  }

  /// The group's name; empty where a spec has none.
  package let group: String
  package let values: [Value]
  /// Of every run but for the seed.
  package let config: RunConfig

  /// For people: `queue, moco-k 4096`.
  package var label: String {
    let parts = (group.isEmpty ? [] : [group]) + values.map { "\($0.key) \($0.text)" }
    return parts.isEmpty ? "all" : parts.joined(separator: ", ")
  }

  /// For a folder: what is safe on every file system, and tells cells apart.
  package var name: String {
    let parts = (group.isEmpty ? [] : [group]) + values.map { "\($0.key)=\($0.text)" }
    let allowed = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyz0123456789.=+-,_")
    let safe = parts.joined(separator: ",").lowercased().unicodeScalars.map {
      allowed.contains($0) ? Character($0) : "-"
    }
    return safe.isEmpty ? "all" : String(safe)
  }

  /// One run of it.
  package func config(seed: UInt64) -> RunConfig {
    var config = config
    config.seed = seed
    return config
  }
}
