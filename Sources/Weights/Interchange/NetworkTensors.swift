import Files
import Models

/// The tensors of a network in a file, by this project's names.
struct NetworkTensors {
  /// The names in the file, one for each part.
  private(set) var sources: [String: [WeightsFile.Entry]] = [:]
  /// Tensors of which a part is missing, and the part's number.
  private(set) var incomplete: [String] = []
  /// Names in the file for which there are two tensors.
  private(set) var duplicate: String?
  /// All that begin with the prefix.
  let own: [WeightsFile.Entry]

  init(_ network: FoundNetwork, in file: WeightsFile) {
    own = file.entries.filter { $0.name.hasPrefix(network.prefix) }
    var parts: [String: [Int: WeightsFile.Entry]] = [:]
    var counts: [String: Int] = [:]
    func add(_ entry: WeightsFile.Entry, _ place: TensorPlace) {
      if parts[place.name, default: [:]].updateValue(entry, forKey: place.part) != nil {
        duplicate = place.name
      }
      counts[place.name] = place.parts
    }
    for entry in own {
      if let place = network.names.place(of: String(entry.name.dropFirst(network.prefix.count))) {
        add(entry, place)
      }
    }
    let beside = network.names.places(beside: network.prefix)
    for entry in file.entries where !beside.isEmpty {
      if let name = beside[entry.name] { add(entry, TensorPlace(name)) }
    }
    for (name, found) in parts {
      let whole = (0..<(counts[name] ?? 1)).compactMap { found[$0] }
      if whole.count == counts[name] { sources[name] = whole } else { incomplete.append(name) }
    }
    incomplete.sort()
  }

  /// Of the tensors, joined where they have parts.
  var shapes: [String: [Int]] { sources.mapValues(Self.shape) }

  private static func shape(_ parts: [WeightsFile.Entry]) -> [Int] {
    guard let first = parts.first?.shape, parts.count > 1 else { return parts.first?.shape ?? [] }
    // Parts that do not fit together get a shape that fits nowhere.
    guard !first.isEmpty, parts.allSatisfy({ $0.shape.dropFirst() == first.dropFirst() }) else {
      return [0, 0]
    }
    let rows = parts.reduce(Int?.some(0)) { sum, part in
      guard let sum, case let (total, overflow) = sum.addingReportingOverflow(part.shape[0]), !overflow else {
        return nil
      }
      return total
    }
    return rows.map { [$0] + first.dropFirst() } ?? [0, 0]
  }
}
