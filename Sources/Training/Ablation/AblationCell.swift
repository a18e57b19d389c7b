import Foundation

/// One combination of settings, to be trained once a seed.
public struct AblationCell: Sendable, Equatable {
  /// A key of the grid and what it is here, as the spec writes it.
  public struct Value: Sendable, Equatable {
    public let key: String
    public let text: String
  }

  /// The group's name; empty where a spec has none.
  public let group: String
  public let values: [Value]
  /// Of every run but for the seed.
  public let config: RunConfig

  /// For people: `queue, moco-k 4096`.
  public var label: String {
    let parts = (group.isEmpty ? [] : [group]) + values.map { "\($0.key) \($0.text)" }
    return parts.isEmpty ? "all" : parts.joined(separator: ", ")
  }

  /// For a folder: what is safe on every file system, and tells cells apart.
  public var name: String {
    let parts = (group.isEmpty ? [] : [group]) + values.map { "\($0.key)=\($0.text)" }
    let allowed = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyz0123456789.=+-,_")
    let safe = parts.joined(separator: ",").lowercased().unicodeScalars.map {
      allowed.contains($0) ? Character($0) : "-"
    }
    return safe.isEmpty ? "all" : String(safe)
  }

  /// One run of it.
  public func config(seed: UInt64) -> RunConfig {
    var config = config
    config.seed = seed
    return config
  }
}
