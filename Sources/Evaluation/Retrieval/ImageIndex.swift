import Data
import Files
import Foundation
import Images
import Torch
import Weights

/// The features of a set of images, kept in a file, to find the images most like a given one.
package struct ImageIndex {
  /// N×C float32, on the CPU.
  let features: Tensor
  /// Where each row's image stands in the data set.
  let samples: [Int]
  /// The images' paths in the data set.
  package let names: [String]
  package var count: Int { names.count }
  /// Images that were left out because they could not be read; known only to the index that was just made.
  package let unreadable: [BadFile]

  /// What the features follow from. Two of the same key are the same index.
  package struct Key: Equatable, Sendable {
    /// Checksums of the encoder's tensors and of how it sees images, and of the data set.
    let encoder: UInt32
    let data: UInt32
    let layer: FeatureLayer
    /// Of the data set, with those that cannot be read.
    let images: Int

    package init(_ encoder: TrainedEncoder, _ set: EvaluationData, layer: FeatureLayer) throws {
      try layer.validate(for: encoder)
      let views = set.input.normalization
      let sees = "\(encoder.network.checksums) \(set.size) \(views) \(set.input.decoder.appliesOrientation)"
      self.encoder = Array(sees.utf8).withUnsafeBytes { crc32($0) }
      data = set.dataset.fingerprint
      self.layer = layer
      images = set.dataset.count
    }

    var metadata: [String: String] {
      ["format": "moco-index", "encoder": "\(encoder)", "data": "\(data)", "layer": layer.rawValue]
    }

    /// Its file in the user's cache.
    package var cachePath: String {
      func hex(_ value: UInt32) -> String { String(value, radix: 16) }
      return cacheFolder("indexes") + "/\(hex(encoder))-\(hex(data))-\(layer.rawValue).safetensors"
    }
  }

  /// What a file holds, if it is the index of that key; nil where there is no file, another's index, or one that was
  /// changed by another program.
  /// - Parameter width: of the encoder's features.
  /// - Throws: ``UsageError`` where the file is no index at all, so that nobody's file is written over.
  package init?(contentsOf path: String, key: Key, width: Int) throws {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    guard let file = try? SafetensorsFile(path), file.metadata["format"] == "moco-index" else {
      throw UsageError("--index-file \(path): this file is no index. Choose another place for it.")
    }
    guard file.metadata == key.metadata else { return nil }
    features = try file.tensor("features")
    samples = try file.tensor("samples").array(of: Int.self)
    let text = String(decoding: try file.tensor("paths").array(of: UInt8.self), as: UTF8.self)
    names = text.split(separator: "\0", omittingEmptySubsequences: false).dropLast().map(String.init)
    unreadable = []
    guard features.shape == [names.count, width], features.dtype == .float32, !names.isEmpty,
      samples.count == names.count, samples.allSatisfy((0..<key.images).contains)
    else { return nil }
  }

  /// Looks at all images and writes what it saw.
  package init(
    _ encoder: TrainedEncoder, _ set: EvaluationData, key: Key, on device: Device, to path: String,
    progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws {
    let encoded = try set.features(of: encoder.network, layer: key.layer, on: device, progress: progress)
    features = try withTorchErrors { encoded.features.to(.cpu) }
    samples = encoded.samples
    names = encoded.samples.map { set.dataset.name($0) }
    unreadable = encoded.unreadable
    let text = names.map { $0 + "\0" }.joined()
    let folder = path.parentFolder
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw RunError(
        "\(folder): the folder for the index cannot be made: \(error.localizedDescription). "
          + "Name another place with --index-file.")
    }
    try Safetensors.write(
      [("features", features), ("samples", Tensor(samples)), ("paths", Tensor(Array(text.utf8)))],
      metadata: key.metadata, to: path)
  }

  /// An image of the index.
  package struct Match: Encodable, Equatable, Sendable {
    package let path: String
    /// The cosine, −1 ... 1 up to rounding.
    package let score: Double
    /// Its number in the data set.
    let sample: Int

    private enum CodingKeys: String, CodingKey { case path, score }
  }

  /// For each row of M×C queries the `count` images most like it, most first.
  package func matches(_ queries: Tensor, count: Int, on device: Device) throws -> [[Match]] {
    let found = try WeightedKNN(k: count, on: device).neighbours(of: queries, in: features)
    return zip(found.indices, found.similarities).map { rows, scores in
      zip(rows, scores).map { Match(path: names[$0], score: Double($1), sample: samples[$0]) }
    }
  }
}

extension TrainedEncoder {
  /// An image's features as the evaluation of a data set would have them: 1×C float32.
  package func features(
    of image: RGBImage, layer: FeatureLayer, input: EvaluationInput, on device: Device
  ) throws -> Tensor {
    try layer.validate(for: self)
    let prepare = ColorAugmenter(
      ViewShape(side: input.imageSize), normalization: input.normalization, device: device)
    let view = try image.evaluationView(size: input.imageSize)
    return try withTorchErrors {
      withNoGrad { view.pixels.withUnsafeBytes { layer.output(of: network, prepare($0)) } }
    }
  }
}

extension ImageIndex {
  /// Writes a picture of each query and, to its right, its matches, most alike first.
  package static func writeSheet(
    queries: [RGBImage], matches: [[Match]], of set: EvaluationData, to path: String
  ) throws {
    precondition(
      queries.count == matches.count, "\(queries.count) queries, \(matches.count) lists of matches")
    var sheet = ContactSheet(pictureSize: set.size)
    for (query, matches) in zip(queries, matches) {
      let found = try matches.map { try set.dataset.image($0.sample) }
      sheet.rows.append(
        try [.init(query.evaluationView(size: set.size), .sameClass)]
          + found.map { try .init($0.evaluationView(size: set.size), .plain) })
    }
    try sheet.write(to: path)
  }
}
