import Data
import Files
import Images

/// Measures files of label maps against the masks of a segmentation set.
package struct SegmentationMeasure: Sendable {
  private let dataset: SegmentationDataset
  /// A folder of PNG files that are named as the set's images.
  private let folder: String

  package init(_ dataset: SegmentationDataset, predictions folder: String) {
    (self.dataset, self.folder) = (dataset, folder)
  }

  /// The files of the images' label maps below the folder, each with a name of its own. Names come from files: none leads
  /// out of the folder.
  package static func names(of dataset: SegmentationDataset) -> [String] {
    var seen: Set<String> = []
    return dataset.images.map { image in
      let parts = image.name.split(separator: "/").map { [".", ".."].contains($0) ? "_" : String($0) }
      let name = parts.joined(separator: "/")
      // Of several folders, images may have the same name.
      let free = (1...).lazy.map { $0 == 1 ? name : "\(name)~\($0)" }.first { seen.insert($0).inserted }
      return (free ?? name) + ".png"
    }
  }

  /// What was measured of a set.
  package struct Measured: Sendable {
    package let scores: SegmentationScores
    package let matrix: ConfusionMatrix
    /// Right pixels of each image's pixels that have a class, in the order of the images; nil of those left out.
    package let images: [Share?]
  }

  package struct Share: Sendable, Equatable {
    package let right: Int
    package let of: Int
  }

  /// - Parameter leftOut: Images without a prediction, by their number in the set.
  /// - Throws: ``EvaluationError``, and those of the files.
  package func measured(without leftOut: Set<Int> = []) throws -> Measured {
    let used = (0..<dataset.count).filter { !leftOut.contains($0) }
    let names = Self.names(of: dataset)
    // Each block has a matrix: not too many of them.
    let block = max(4, used.count / 256)
    let sums = try inParallel((used.count + block - 1) / block, threads: Cores.usable) { number in
      var sum = Sum(classes: dataset.classNames.count)
      for index in used[number * block..<min(used.count, (number + 1) * block)] {
        try add(index, joined(folder, names[index]), to: &sum)
      }
      return sum
    }
    var matrix = ConfusionMatrix(classes: dataset.classNames.count)
    var cityscapes = dataset.kind == .cityscapes ? CityscapesSemanticEvaluation() : nil
    var shares: [Share] = []
    for sum in sums {
      matrix.add(sum.matrix)
      shares += sum.shares
      for counts in sum.cityscapes { if let counts { cityscapes?.add(counts) } else { cityscapes = nil } }
    }
    var images = [Share?](repeating: nil, count: dataset.count)
    for (index, share) in zip(used, shares) { images[index] = share }
    return Measured(
      scores: SegmentationScores(matrix, classNames: dataset.classNames, cityscapes: cityscapes),
      matrix: matrix, images: images)
  }

  /// Of a block of images, in their order.
  private struct Sum: Sendable {
    var matrix: ConfusionMatrix
    var shares: [Share] = []
    /// Nil where there is no picture of instances.
    var cityscapes: [CityscapesSemanticEvaluation.ImageCounts?] = []

    init(classes: Int) { matrix = ConfusionMatrix(classes: classes) }
  }

  private func add(_ index: Int, _ path: String, to sum: inout Sum) throws {
    let image = dataset.images[index]
    let truth = try dataset.labels(index)
    let file = try LabelMap.read(path, limits: dataset.decoder.limits)
    var matrix = ConfusionMatrix(classes: dataset.classNames.count)
    try matrix.add(truth: truth.labels, prediction: classes(of: file).labels, name: image.name)
    sum.matrix.add(matrix)
    sum.shares.append(Share(right: matrix.rightPixels, of: matrix.allPixels))
    if dataset.kind == .cityscapes {
      sum.cityscapes.append(try instances(of: image, prediction: file.labels))
    }
  }

  /// A prediction's file in the set's classes.
  package func classes(of file: LabelMap) -> LabelMap {
    guard dataset.kind == .cityscapes else { return file }
    var labels = [UInt8](repeating: LabelMap.ignored, count: 256)
    for label in dataset.classNames.indices {
      labels[Int(dataset.fileNumber(of: UInt8(label)))] = UInt8(label)
    }
    return LabelMap(height: file.height, width: file.width, labels: file.labels.map { labels[Int($0)] })
  }

  /// The counts by Cityscapes' rules, where label ids and instances lie beside the image's mask.
  private func instances(of image: SegmentationDataset.Image, prediction: [UInt8]) throws
    -> CityscapesSemanticEvaluation.ImageCounts?
  {
    guard let mask = image.mask, let files = CityscapesFiles(mask: mask) else { return nil }
    return try files.counts(prediction: prediction, name: image.name, limits: dataset.decoder.limits)
  }
}
