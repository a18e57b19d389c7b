import Files
import Images

/// The findings of `moco check` as numbers.
package struct CheckReport: Codable, Sendable {
  package private(set) var images = 0
  package private(set) var ok = 0
  package private(set) var truncated = 0
  package private(set) var refused = 0
  /// Images, among those that are ok, of which every pixel has the same colour.
  package private(set) var oneColor = 0
  /// Images whose samples have more than 8 bits; nil without one.
  package private(set) var deep: DeepImages?
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
    if entry.verdict == .ok, entry.isOneColor { oneColor += 1 }
    if let samples = entry.samples { deep = deep?.adding(samples) ?? DeepImages(samples) }
    guard entry.verdict != .refused else { return }
    shortSides.count(Double(min(entry.width, entry.height)))
    aspects.count(Double(entry.width) / Double(entry.height))
  }

  /// Images whose samples have more than 8 bits.
  package struct DeepImages: Codable, Sendable, Equatable {
    package private(set) var images = 1
    /// Those with samples outside of the range, which became black or white.
    package private(set) var clipped: Int
    /// The smallest and largest sample of all.
    package private(set) var lowest: Double
    package private(set) var highest: Double
    /// The samples that became 0 and 255; of images with different ranges the widest.
    package private(set) var black: Double
    package private(set) var white: Double

    init(_ samples: SampleRange) {
      (lowest, highest) = (samples.lowest, samples.highest)
      (black, white) = (samples.black, samples.white)
      clipped = samples.isClipped ? 1 : 0
    }

    fileprivate func adding(_ samples: SampleRange) -> DeepImages {
      var sum = DeepImages(all.union(samples))
      sum.images = images + 1
      sum.clipped = clipped + (samples.isClipped ? 1 : 0)
      return sum
    }

    /// Whether levels are lost: see ``text``.
    package var isUnfit: Bool { clipped > 0 || all.fittingDepth != nil }

    private var all: SampleRange {
      SampleRange(lowest: lowest, highest: highest, black: black, white: white)
    }

    /// "24, samples 0 to 4,095 of 0 to 65,535; --depth 12 fits them".
    package var text: String {
      var text =
        "\(grouped(images)), samples \(number(lowest)) to \(number(highest)) of \(number(black)) to \(number(white))"
      if clipped > 0 {
        text += "; in \(grouped(clipped)) some are outside of it and become black or white"
      } else if let depth = all.fittingDepth {
        text += "; they come out dark: --depth \(depth) fits them"
      }
      return text
    }

    private func number(_ value: Double) -> String {
      Int(exactly: value).map { $0 < 0 ? "\($0)" : grouped($0) } ?? short(value)
    }
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
