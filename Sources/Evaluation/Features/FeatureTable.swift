import Files
import Torch

/// Features with the names and the classes of their images, row by row: what every table of them holds, whatever its
/// format.
struct FeatureTable {
  /// M×C float32.
  let features: Tensor
  /// Of the images, as in the data set.
  let names: [String]
  /// From 0; nil where images have no class.
  let labels: [Int]?
  /// The names of the classes, by label.
  let classNames: [String]

  init(_ encoded: ImageFeatures, of set: EvaluationData) {
    features = encoded.features
    names = encoded.samples.map { set.dataset.name($0) }
    labels = set.dataset.isLabeled ? encoded.labels : nil
    classNames = set.dataset.classNames
  }

  /// The columns: `path`, `label` and `class` where there are classes, then a number each.
  var columns: [String] {
    ["path"] + (labels == nil ? [] : ["label", "class"]) + (0..<features.shape[1]).map { "feature\($0)" }
  }

  /// The columns of a row before its numbers.
  private func key(_ row: Int) -> [String] {
    [names[row]] + (labels.map { ["\($0[row])", classNames[$0[row]]] } ?? [])
  }

  /// A header, and a line per row (RFC 4180).
  func writeCSV(to path: String) throws {
    let (count, width) = (features.shape[0], features.shape[1])
    try replaceFile(path) { file in
      try file.write(columns.joined(separator: ",") + "\n")
      for start in stride(from: 0, to: count, by: 1024) {
        let rows = start..<min(start + 1024, count)
        let values = features.narrowed(rows).array(of: Float.self)
        let lines = rows.map { row in
          let numbers = values[(row - start) * width..<(row - start + 1) * width].map { "\($0)" }
          return (key(row).map(quotedForCSV) + numbers).joined(separator: ",") + "\n"
        }
        try file.write(lines.joined())
      }
    }
  }
}

extension ImageFeatures {
  /// With rows of length 1.
  package func normalised() throws -> ImageFeatures {
    ImageFeatures(
      features: try withTorchErrors { l2Normalized(features) }, samples: samples, labels: labels,
      unreadable: unreadable)
  }
}
