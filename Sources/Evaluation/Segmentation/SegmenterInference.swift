import Data
import Distributed
import Files
import Foundation
import Models
import Torch

/// A segmenter on all images of a test set, which ranks share: each image at its own size, whole or in tiles.
package struct SegmenterInference {
  private let dataset: SegmentationDataset
  private let tileSize: Int?
  private let workers: Int
  private let maxBad: Fraction
  private let context: RankContext

  /// - Parameter tileSize: The side of the tiles that larger images are tested in; nil tests all whole.
  package init(
    _ dataset: SegmentationDataset, tileSize: Int?, workers: Int, maxBad: Fraction, context: RankContext
  ) {
    (self.dataset, self.tileSize, self.workers) = (dataset, tileSize, workers)
    (self.maxBad, self.context) = (maxBad, context)
  }

  /// Writes the label maps of all images to files, in place of all that the folder has held before.
  /// - Parameters:
  ///   - model: In evaluation mode. All ranks have the same.
  ///   - folder: Of the files; only rank 0's counts, which alone writes.
  ///   - isStopped: Whether a signal ends the run; read after every image.
  ///   - progress: Called with the images that are done, of all ranks together.
  /// - Returns: The images that could not be read.
  /// - Throws: ``EvaluationStopped`` in every rank soon after `isStopped` in one of them.
  package func write(
    _ model: FCN, to folder: String?, isStopped: () -> Bool = { false },
    progress: (_ done: Int) -> Void = { _ in }
  ) throws -> [BadFile] {
    if let folder { try clear(folder) }
    let loader = SegmentationTestLoader(dataset, rank: context.rank, workers: workers, maxBad: maxBad)
    let names = SegmentationMeasure.names(of: dataset)
    let ranks = context.rank.count
    // Every rank has so many turns, so that all of them agree after each.
    let turns = (dataset.count + ranks - 1) / ranks
    for turn in 0..<turns {
      let example = try loader.next()
      let own = try example.map { try file(of: $0, model) } ?? []
      let rows = try context.rows([isStopped() ? 1 : 0, Double(example?.index ?? 0)])
      if rows.contains(where: { $0[0] != 0 }) { throw EvaluationStopped() }
      for (row, bytes) in zip(rows, try context.allGather(bytes: own)) where !bytes.isEmpty {
        if let folder { try write(bytes, to: joined(folder, names[Int(row[1])])) }
      }
      progress(min((turn + 1) * ranks, dataset.count))
    }
    return try context.allGather(loader.badFiles).flatMap(\.self)
  }

  /// Label maps of an earlier test, perhaps of other images, would pass for those of this one.
  private func clear(_ folder: String) throws {
    let files = FileManager.default
    guard files.fileExists(atPath: folder) else { return }
    try reportingFileErrors(.remove, folder) {
      for name in try files.contentsOfDirectory(atPath: folder) {
        try files.removeItem(atPath: joined(folder, name))
      }
    }
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    try reportingFileErrors(.makeFolder, path) {
      try FileManager.default.createDirectory(
        at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
    }
    try replaceFile(path, with: Data(bytes))
  }

  /// The PNG file of an image's label map: label ids in Cityscapes' pictures, elsewhere classes with the set's colours.
  private func file(of example: SegmentationExample, _ model: FCN) throws -> [UInt8] {
    var map = LabelMap(
      height: example.height, width: example.width,
      labels: try withTorchErrors { labels(of: example, model).to(.cpu).array(of: UInt8.self) })
    guard dataset.kind == .cityscapes else { return Array(try map.pngData(colors: dataset.palette)) }
    let ids = (0...255).map { dataset.fileNumber(of: UInt8($0)) }
    map = LabelMap(height: map.height, width: map.width, labels: map.labels.map { ids[Int($0)] })
    return Array(try map.pngData())
  }

  /// The class of each pixel: 1×H×W uint8.
  package func labels(of example: SegmentationExample, _ model: FCN) -> Tensor {
    let pixels = example.pixels.withUnsafeBytes {
      Tensor(copying: $0, dtype: .uint8, shape: [1, example.height, example.width, 3])
    }
    let image = model.preprocess(pixels)  // 1×3×H×W
    guard let tileSize, max(example.height, example.width) > tileSize else { return model.predict(image) }
    return withNoGrad {
      let (rows, columns) = (
        Self.tiles(example.height, of: tileSize), Self.tiles(example.width, of: tileSize)
      )
      let sum = Tensor.zeros(
        [1, model.spec.classes, example.height, example.width], dtype: image.dtype, on: image.device)
      for row in rows {
        for column in columns {
          let logits = model(image.narrowed(row, dim: 2).narrowed(column, dim: 3))  // 1×C×h×w
          let place = sum.narrowed(row, dim: 2).narrowed(column, dim: 3)
          place.copy(from: place + logits)
        }
      }
      // Of one pixel all classes have as many logits: the largest sum is the largest mean.
      return sum.argMax(dim: 1).to(.uint8)  // 1×H×W
    }
  }

  /// Where tiles of `size` pixels lie along a side: two thirds of a tile apart, and the last one at the end. They overlap by a
  /// third or more.
  package static func tiles(_ side: Int, of size: Int) -> [Range<Int>] {
    precondition(size >= 1 && side >= 1, "tiles of \(size) on \(side) pixels")
    guard side > size else { return [0..<side] }
    let step = max(1, size * 2 / 3)
    let count = (side - size + step - 1) / step + 1
    return (0..<count).map { number in
      let start = min(number * step, side - size)
      return start..<start + size
    }
  }
}
