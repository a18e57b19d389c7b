import Files
import Images

/// The findings of `moco check` as numbers.
package struct CheckReport: Codable, Sendable {
  package private(set) var images = 0
  package private(set) var ok = 0
  package private(set) var truncated = 0
  package private(set) var refused = 0
  /// Images by their short side, in pixels.
  package private(set) var shortSides = Histogram(
    edges: [32, 64, 128, 224, 256, 512, 1024, 2048], unit: "px")
  /// Images by width over height.
  package private(set) var aspects = Histogram(edges: [0.5, 0.75, 1, 4.0 / 3, 2], unit: "")

  package init() {}

  package var isGood: Bool { ok == images }

  package mutating func count(_ entry: DatasetCheck.Entry) {
    images += 1
    switch entry.verdict {
    case .ok: ok += 1
    case .truncatedOk: truncated += 1
    case .refused: refused += 1
    }
    guard entry.verdict != .refused else { return }
    shortSides.count(Double(min(entry.width, entry.height)))
    aspects.count(Double(entry.width) / Double(entry.height))
  }

  /// Numbers of values between edges.
  package struct Histogram: Codable, Sendable {
    /// Ascending; a value that equals an edge lies above it.
    package let edges: [Double]
    /// One more than there are edges.
    package private(set) var counts: [Int]
    let unit: String

    init(edges: [Double], unit: String) {
      (self.edges, self.unit) = (edges, unit)
      counts = Array(repeating: 0, count: edges.count + 1)
    }

    mutating func count(_ value: Double) {
      counts[edges.firstIndex { value < $0 } ?? edges.count] += 1
    }

    /// A line for each range that holds anything: "224 - 256 px   1200 ████".
    package var lines: [String] {
      let most = counts.max() ?? 0
      return counts.indices.filter { counts[$0] > 0 }.map { place in
        let bar = String(repeating: "█", count: max(1, 30 * counts[place] / max(most, 1)))
        return "\(name(place).padded(to: 16))\("\(counts[place])".padded(to: 9))\(bar)"
      }
    }

    private func name(_ place: Int) -> String {
      let end = unit.isEmpty ? "" : " " + unit
      if place == 0 { return "below " + text(edges[0]) + end }
      if place == edges.count { return "from " + text(edges[place - 1]) + end }
      return text(edges[place - 1]) + " - " + text(edges[place]) + end
    }

    private func text(_ edge: Double) -> String { edge == edge.rounded() ? "\(Int(edge))" : fixed(edge, 2) }
  }
}

extension DatasetCheck.Entry {
  /// The names of ``tabbed``'s columns.
  package static let columns = "path\tverdict\twidth\theight\tmean_r\tmean_g\tmean_b"

  /// Its line in a file of tab-separated values; what is unknown is left empty.
  package var tabbed: String {
    let path = name.replacing("\\", with: "\\\\").replacing("\t", with: "\\t").replacing("\n", with: "\\n")
    let sides = verdict == .refused ? ["", ""] : ["\(width)", "\(height)"]
    let means = mean.map { [$0.x, $0.y, $0.z].map { fixed($0, 3) } } ?? ["", "", ""]
    return ([path, verdict.rawValue] + sides + means).joined(separator: "\t")
  }
}
