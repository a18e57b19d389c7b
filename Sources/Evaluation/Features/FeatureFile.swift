import Files
import Foundation
import Torch
import Weights

/// A file of features for other programs: one row per image; a second file has the images' paths.
package struct FeatureFile {
  package enum Format: String, Sendable, CaseIterable {
    /// Tensors `features` (M×C float32) and, for labelled images, `labels` (M int64).
    case safetensors
    /// NumPy's format 1.0: float32, little-endian, C order.
    case npy
    /// One line per row; the numbers read back as the same float32.
    case csv
  }

  package let path: String
  package let format: Format
  /// The images' paths, one line per row.
  package var pathsPath: String { path + ".paths.txt" }

  /// The path's extension selects the format.
  package init(_ path: String) throws {
    let ending = (path as NSString).pathExtension
    guard let format = Format(rawValue: ending.lowercased()) else {
      throw UsageError(
        "--out \(path): \(ending.isEmpty ? "there is no extension" : "the extension .\(ending) is unknown"). "
          + "Name the file .safetensors, .npy or .csv.")
    }
    (self.path, self.format) = (path, format)
  }

  /// Fails before any work where a name holds a line break.
  package func check(_ set: EvaluationData) throws {
    for sample in 0..<set.dataset.count where set.dataset.name(sample).utf8.contains(UInt8(ascii: "\n")) {
      throw RunError(
        "\(pathsPath): the path \(set.dataset.name(sample).debugDescription) holds a line break, so that lines would "
          + "not be rows. Rename the file.")
    }
  }

  /// Writes rows in the data set's order; for folders this is the order of the sorted paths.
  /// - Parameters:
  ///   - encoded: the rows.
  ///   - set: what they were made of.
  ///   - metadata: kept in a safetensors file.
  package func write(_ encoded: ImageFeatures, of set: EvaluationData, metadata: [String: String] = [:])
    throws
  {
    try check(set)
    let names = encoded.samples.map { set.dataset.name($0) }
    switch format {
    case .safetensors:
      var tensors = [(name: "features", tensor: encoded.features)]
      if set.dataset.isLabeled { tensors.append(("labels", Tensor(encoded.labels))) }
      try Safetensors.write(tensors, metadata: metadata, to: path)
    case .npy:
      try replaceFile(path) { file in
        try file.write(FeatureFile.npyHeader(shape: encoded.features.shape))
        try encoded.features.withUnsafeBytes { try file.write($0) }
      }
    case .csv:
      try writeCSV(encoded.features)
    }
    try replaceFile(pathsPath) { try $0.write(names.map { $0 + "\n" }.joined()) }
  }

  /// The bytes before the numbers: magic, version 1.0, and a Python dictionary, padded so that the numbers
  /// begin at a multiple of 64 (NumPy's enhancement proposal 1).
  static func npyHeader(shape: [Int]) -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes)), }"
    let before = 10  // magic, version and length
    text += String(repeating: " ", count: 63 - (before + text.utf8.count) % 64) + "\n"
    let length = UInt16(text.utf8.count)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(text.utf8)
  }

  private func writeCSV(_ features: Tensor) throws {
    let (count, width) = (features.shape[0], features.shape[1])
    try replaceFile(path) { file in
      for start in stride(from: 0, to: count, by: 1024) {
        let rows = start..<min(start + 1024, count)
        let values = features.narrowed(rows).array(of: Float.self)
        let lines = (0..<rows.count).map { row in
          values[row * width..<(row + 1) * width].map { "\($0)" }.joined(separator: ",") + "\n"
        }
        try file.write(lines.joined())
      }
    }
  }
}
