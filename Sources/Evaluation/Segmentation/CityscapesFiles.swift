import Data
import Files
import Foundation
import Images

/// The pictures of an image of Cityscapes by which label maps are measured.
struct CityscapesFiles: Sendable {
  let labels: String
  let instances: String

  private static let endings = ["_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"]
  private static let instanceEnding = "_gtFine_instanceIds.png"

  /// - Parameter mask: The picture of label ids or of train ids.
  init?(mask: String) {
    guard let ending = Self.endings.first(where: mask.hasSuffix) else { return nil }
    let stem = mask.dropLast(ending.count)
    (labels, instances) = (stem + Self.endings[0], stem + Self.instanceEnding)
    guard FileManager.default.fileExists(atPath: labels), FileManager.default.fileExists(atPath: instances)
    else { return nil }
  }

  /// - Parameter prediction: Label ids.
  func counts(prediction: [UInt8], name: String, limits: DecodeLimits) throws
    -> CityscapesSemanticEvaluation.ImageCounts
  {
    try CityscapesSemanticEvaluation.ImageCounts(
      labels: try LabelMap.read(labels, limits: limits).labels,
      instances: try LabelImage(contentsOf: instances, limits: limits).labels, prediction: prediction,
      name: name)
  }
}

/// Label maps in a folder, by the images of Cityscapes that they are of: as in the benchmark's own program a file belongs to
/// the image whose city, sequence and frame its name begins with.
struct CityscapesPredictions {
  private let paths: [String: [String]]
  private let folder: String

  /// - Throws: `UsageError` for a folder without such files.
  init(_ folder: String) throws {
    let files = (FileManager.default.enumerator(atPath: folder)?.allObjects as? [String] ?? [])
      .filter { $0.hasSuffix(".png") }.sorted()
    var paths: [String: [String]] = [:]
    for file in files {
      if let image = Self.image(of: file.lastPathPart) {
        paths[image, default: []].append(joined(folder, file))
      }
    }
    guard !paths.isEmpty else {
      throw UsageError(
        "\(folder) holds no label maps: PNG files whose names begin with city, sequence and frame, as "
          + "frankfurt_000000_000294.png")
    }
    (self.paths, self.folder) = (paths, folder)
  }

  /// "frankfurt_000000_000294" of a file's name.
  private static func image(of name: String) -> String? {
    let parts = name.dropLast(".png".count).split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts.prefix(3).allSatisfy({ !$0.isEmpty }) else { return nil }
    return parts.prefix(3).joined(separator: "_")
  }

  /// - Parameter image: With its city's folder, or without.
  /// - Throws: `UsageError` where there is none, or more than one.
  func path(of image: String) throws -> String {
    let found = Self.image(of: image.lastPathPart + ".png").flatMap { paths[$0] } ?? []
    guard let path = found.first else {
      throw UsageError("\(folder) holds no label map of \(image); each image of the split needs one")
    }
    guard found.count == 1 else {
      throw UsageError(
        "\(folder) holds \(found.count) label maps of \(image): \(found[0]), \(found[1]). Keep one of them.")
    }
    return path
  }
}
