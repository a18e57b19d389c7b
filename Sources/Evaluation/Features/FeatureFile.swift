import Data
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
    /// A header, and a line per row with its path, its label and its class where images have one, and the numbers, which
    /// read back as the same float32.
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

  /// Raises an error for names that have no place in the file of paths; call it before the features are computed.
  package func check(namesOf set: EvaluationData) throws {
    for index in 0..<set.dataset.count { try check(set.dataset.name(index)) }
  }

  private func check(_ name: String) throws {
    guard name.contains(where: \.isNewline) else { return }
    throw RunError(
      "\(pathsPath): the path \(name.debugDescription) holds a line break, so that lines would not be rows. "
        + "Rename the file.")
  }

  /// Writes rows in the data set's order; for folders this is the order of the sorted paths.
  /// - Parameters:
  ///   - encoded: the rows.
  ///   - set: what they were made of.
  ///   - metadata: kept in a safetensors file.
  package func write(_ encoded: ImageFeatures, of set: EvaluationData, metadata: [String: String] = [:])
    throws
  {
    let table = FeatureTable(encoded, of: set)
    for name in table.names { try check(name) }
    switch format {
    case .safetensors:
      var tensors = [(name: "features", tensor: table.features)]
      if let labels = table.labels { tensors.append(("labels", Tensor(labels))) }
      try Safetensors.write(tensors, metadata: metadata, to: path)
    case .npy:
      try replaceFile(path) { file in
        try file.write(FeatureFile.npyHeader(shape: table.features.shape))
        try table.features.withUnsafeBytes { try file.write($0) }
      }
    case .csv:
      try table.writeCSV(to: path)
    }
    try replaceFile(pathsPath) { try $0.write(table.names.map { $0 + "\n" }.joined()) }
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
}
