import Data
import Files
import Foundation
import Images
import Models
import Torch
import Weights

/// The features of a set of images, kept in a file, to find the images most similar to a given one.
package struct ImageIndex {
  /// N×C float32, on the CPU.
  let features: Tensor
  /// The index of each row's image in the data set.
  let samples: [Int]
  /// The images' paths in the data set.
  package let names: [String]
  package var count: Int { names.count }
  /// Images that were left out because they could not be read; empty if the index was read from a file.
  package let unreadable: [BadFile]

  /// The inputs of an index. Two indexes with the same key are equal.
  package struct Key: Equatable, Sendable {
    /// Checksums of the encoder's tensors and image settings, and of the data set.
    let encoder: UInt32
    let data: UInt32
    let layer: FeatureLayer
    /// The number of images in the data set, including those that cannot be read.
    let images: Int

    package init(_ encoder: TrainedEncoder, _ set: EvaluationData, layer: FeatureLayer) throws {
      try layer.validate(for: encoder)
      let (views, resized, decoder) = (set.input.normalization, set.input.view, set.input.decoder)
      var sees = "\(encoder.network.checksums) \(set.size) \(views) \(decoder.appliesOrientation)"
      // Each is left out where it is the standard, so that indexes of older versions stay valid.
      if decoder.depth != .automatic { sees += " \(decoder.depth)" }
      if resized != EvaluationView(size: set.size) {
        sees += " \(resized.resizing?.description ?? "") \(resized.interpolation)"
      }
      // Parts of the network that its tensors do not show.
      let (pooling, padding) = (encoder.spec.pooling ?? .token, encoder.spec.stemPadding ?? Stem.cifarPadding)
      if encoder.spec.arch.isTransformer, pooling != .token { sees += " \(pooling)" }
      if padding != Stem.cifarPadding { sees += " padding \(padding)" }
      self.encoder = Array(sees.utf8).withUnsafeBytes { crc32($0) }
      data = set.dataset.fingerprint
      self.layer = layer
      images = set.dataset.count
    }

    var metadata: [String: String] {
      ["format": "moco-index", "encoder": "\(encoder)", "data": "\(data)", "layer": layer.rawValue]
    }

    /// The default path in the cache: `indexes` in `MOCO_CACHE`, else in `XDG_CACHE_HOME`/swift-moco, else in
    /// ~/.cache/swift-moco.
    package var cachePath: String {
      func hex(_ value: UInt32) -> String { String(value, radix: 16) }
      return cacheFolder("indexes") + "/\(hex(encoder))-\(hex(data))-\(layer.rawValue).safetensors"
    }
  }

  /// Reads a file if it is the index with this key; nil if the file does not exist, has another key, or was
  /// changed by another program.
  /// - Parameter width: Of the encoder's features.
  /// - Throws: ``UsageError`` if the file is not an index, so that no other file is overwritten.
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

  /// Encodes all images and writes the index.
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

  /// A found image.
  package struct Match: Encodable, Equatable, Sendable {
    package let path: String
    /// The cosine, −1 ... 1 up to rounding.
    package let score: Double
    /// Its number in the data set.
    let sample: Int

    private enum CodingKeys: String, CodingKey { case path, score }
  }

  /// For each row of M×C queries the `count` most similar images, most similar first.
  package func matches(_ queries: Tensor, count: Int, on device: Device) throws -> [[Match]] {
    let found = try WeightedKNN(k: count, on: device).neighbours(of: queries, in: features)
    return zip(found.indices, found.similarities).map { rows, scores in
      zip(rows, scores).map { Match(path: names[$0], score: Double($1), sample: samples[$0]) }
    }
  }
}

extension TrainedEncoder {
  /// An image's features, the same as in an evaluation of a data set: 1×C float32.
  package func features(
    of image: RGBImage, layer: FeatureLayer, input: EvaluationInput, on device: Device
  ) throws -> Tensor {
    try layer.validate(for: self)
    let view = try image.evaluationView(input.view)
    return try withTorchErrors {
      withNoGrad { layer.output(of: network, input.tensor(of: [view], on: device)) }
    }
  }
}

extension ImageIndex {
  /// Writes a picture of each query and, to its right, its matches, most similar first.
  package static func writeSheet(
    queries: [RGBImage], matches: [[Match]], of set: EvaluationData, to path: String
  ) throws {
    precondition(
      queries.count == matches.count, "\(queries.count) queries, \(matches.count) lists of matches")
    var sheet = ContactSheet(pictureSize: set.size)
    for (query, matches) in zip(queries, matches) {
      let found = try matches.map { try set.dataset.image($0.sample) }
      sheet.rows.append(
        try [.init(query.evaluationView(set.input.view), .sameClass)]
          + found.map { try .init($0.evaluationView(set.input.view), .plain) })
    }
    try sheet.write(to: path)
  }
}
