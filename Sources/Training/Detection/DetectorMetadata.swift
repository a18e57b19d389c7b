import Data
import Files
import Foundation
import Models
import Weights

/// What a detector's file of weights states: its structure and its classes.
package struct DetectorMetadata: Equatable {
  package let spec: DetectorSpec
  package let classes: [String]
  /// The numbers of the classes in the training set's files.
  package let categoryIDs: [Int]
  package let keypoints: [String]

  private static let classesKey = "classes"
  private struct Classes: Codable {
    var names: [String]
    var ids: [Int]
    var keypoints: [String]
  }

  package init(_ spec: DetectorSpec, _ dataset: DetectionDataset) {
    self.spec = spec
    (classes, categoryIDs, keypoints) = (dataset.classNames, dataset.categoryIDs, dataset.keypoints.names)
  }

  /// - Throws: `RunError` where it is no detector of this program.
  package init(_ checkpoint: Checkpoint) throws {
    let decoder = JSONDecoder()
    guard let detector = checkpoint.metadata[InitialWeights.detectorKey],
      let names = checkpoint.metadata[Self.classesKey]
    else {
      throw RunError(
        "\(checkpoint.path): it holds no detector. Give a run of `moco detect`, or one of its checkpoints.")
    }
    guard let spec = try? decoder.decode(DetectorSpec.self, from: Data(detector.utf8)),
      let classes = try? decoder.decode(Classes.self, from: Data(names.utf8)), spec.problem == nil,
      classes.names.count == spec.classes, classes.ids.count == spec.classes
    else { throw RunError("\(checkpoint.path): the detector that the file states cannot be.") }
    self.spec = spec
    (self.classes, categoryIDs, keypoints) = (classes.names, classes.ids, classes.keypoints)
  }

  /// The metadata of a run's files of weights.
  func written(with config: DetectConfig) throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func text(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    return [
      "config": try text(config), "format": "moco", InitialWeights.detectorKey: try text(spec),
      Self.classesKey: try text(Classes(names: classes, ids: categoryIDs, keypoints: keypoints)),
    ]
  }
}

extension DetectConfig {
  /// The value of `--init` for weights that are drawn.
  package static let random = "random"

  /// The configuration in a checkpoint. (JSON is YAML.)
  package init(_ checkpoint: Checkpoint) throws {
    try self.init(metadata: checkpoint.metadata, of: checkpoint.path)
  }

  /// The configuration of the run at a path that leads to a checkpoint.
  package init(ofCheckpoint path: String) throws {
    try self.init(metadata: Checkpoint.metadata(of: path), of: path)
  }

  private init(metadata: [String: String], of path: String) throws {
    guard let text = metadata["config"], metadata[InitialWeights.detectorKey] != nil else {
      throw RunError("\(path): no run of `moco detect` wrote this file.")
    }
    try self.init(yaml: text, source: path)
  }
}

extension DetectionDataset {
  /// A checksum of the images' names and sizes and of their objects.
  package var fingerprint: UInt32 {
    var bytes: [UInt8] = []
    var sum: UInt32 = 0
    func add(_ numbers: [Double]) { numbers.withUnsafeBytes { bytes += $0 } }
    func flush() {
      add([Double(sum)])
      sum = bytes.withUnsafeBytes { crc32($0) }
      bytes.removeAll(keepingCapacity: true)
    }
    bytes += Array((classNames + keypoints.names).joined(separator: "\n").utf8)
    for index in 0..<count {
      let image = images[index]
      bytes += Array(image.name.utf8)
      add([Double(image.id), Double(image.height), Double(image.width)])
      for object in objects(index) {
        let box = object.box
        add([Double(object.classIndex), box.x0, box.y0, box.x1, box.y1, object.area ?? -1])
        for point in object.keypoints { add([point.x, point.y, Double(point.visibility.rawValue)]) }
      }
      if bytes.count > 1 << 20 { flush() }
    }
    flush()
    return sum
  }
}
