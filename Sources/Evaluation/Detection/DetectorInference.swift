import Data
import Distributed
import Models
import Torch

/// A detector on all images of a test set, which ranks share.
package struct DetectorInference {
  package let dataset: DetectionDataset
  private let resize: ResizeShortestEdge
  private let workers: Int
  private let maxBad: Fraction
  private let context: RankContext

  package init(
    _ dataset: DetectionDataset, _ resize: ResizeShortestEdge, workers: Int, maxBad: Fraction,
    context: RankContext
  ) {
    (self.dataset, self.resize, self.workers, self.maxBad) = (dataset, resize, workers, maxBad)
    self.context = context
  }

  /// All ranks' detections, and the images that could not be read.
  package struct Found {
    package let results: DetectionResults
    package let badFiles: [BadFile]
  }

  /// - Parameters:
  ///   - model: In evaluation mode. All ranks have the same.
  ///   - isStopped: Whether a signal ends the run; read after every image.
  ///   - progress: Called with the images that are done, of all ranks together, and all.
  /// - Throws: ``EvaluationStopped`` in every rank soon after `isStopped` in one of them.
  package func results(
    of model: GeneralizedRCNN, isStopped: () -> Bool = { false },
    progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws -> Found {
    let loader = DetectionLoader(
      testing: dataset, resize, rank: context.rank, workers: workers, maxBad: maxBad)
    var own = DetectionResults()
    let ranks = context.rank.count
    // Every rank has so many turns, so that all of them agree after each.
    let turns = (dataset.count + ranks - 1) / ranks
    for turn in 0..<turns {
      for example in try loader.next()?.examples ?? [] { try detect(example, model, into: &own) }
      if try context.rows([isStopped() ? 1 : 0]).contains(where: { $0[0] != 0 }) { throw EvaluationStopped() }
      progress(min((turn + 1) * ranks, dataset.count), dataset.count)
    }
    return Found(
      results: try gathered(own), badFiles: try context.allGather(loader.badFiles).flatMap(\.self))
  }

  private func detect(
    _ example: DetectionExample, _ model: GeneralizedRCNN, into results: inout DetectionResults
  ) throws {
    try withTorchErrors {
      let found = try model.detect(model.preprocess([example.tensor]))[0]
      let whole = Size2D(height: example.originalHeight, width: example.originalWidth)
      results.add(
        found.scaled(to: whole), image: dataset.images[example.index].id, categoryIDs: dataset.categoryIDs,
        maskThreshold: model.spec.test.maskThreshold)
    }
  }

  private func gathered(_ own: DetectionResults) throws -> DetectionResults {
    guard context.rank.count > 1 else { return own }
    let counts = try context.rows([Double(own.count)]).map { Int($0[0]) }
    return DetectionResults(joining: try zip(context.allGather(bytes: own.bytes), counts).map { ($0, $1) })
  }
}

extension DetectionExample {
  /// Its pixels: height×width×3 uint8.
  package var tensor: Tensor {
    pixels.withUnsafeBytes { Tensor(copying: $0, dtype: .uint8, shape: [height, width, 3]) }
  }
}
