import Foundation

extension RunConfig {
  /// Keys that a run may be continued with other values of: they change no result, or only when it ends.
  private static let changeable: Set<CodingKeys> = [
    .bank, .device, .workers, .cache, .cudaGraph, .timeout, .checkRanksEvery, .maxBad, .steps, .saveEvery,
    .keep,
    .logEvery, .knnTrain, .knnTest, .knnEvery,
    .knnLimit,
  ]

  /// What is set, as YAML writes it.
  package var values: [CodingKeys: String] {
    get throws {
      let lines = try yaml().split(separator: "\n").filter { !$0.hasPrefix("#") }
      return lines.reduce(into: [:]) { values, line in
        let parts = line.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let key = CodingKeys(rawValue: String(parts[0])) else { return }
        values[key] = parts[1].trimmingCharacters(in: .whitespaces)
      }
    }
  }

  private var lasting: [CodingKeys: String] {
    get throws {
      var config = self
      config.stem = stem ?? arch.defaultStem  // named or not, it is the same
      return try config.values.filter { !RunConfig.changeable.contains($0.key) }
    }
  }

  /// What decides the trajectory and differs, in words.
  package func differences(from other: RunConfig) -> [String] {
    guard let mine = try? lasting, let theirs = try? other.lasting else { return ["unreadable"] }
    return CodingKeys.allCases.compactMap { key in
      mine[key] == theirs[key]
        ? nil : "\(key.rawValue) is \(mine[key] ?? "unset") there and \(theirs[key] ?? "unset") here"
    }
  }
}
