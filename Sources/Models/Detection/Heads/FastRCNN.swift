import Torch

/// Class scores and box deltas of each region (Girshick 2015).
public final class FastRCNNOutputLayers: Module {
  let clsScore: Linear
  let bboxPred: Linear

  /// Weights are drawn from N(0, 0.01²), those of the boxes from N(0, 0.001²).
  init(_ inputs: Int, classes: Int, isClassAgnostic: Bool, using generator: Generator) {
    clsScore = Linear(inputs, classes + 1, deviation: 0.01, using: generator)
    bboxPred = Linear(inputs, 4 * (isClassAgnostic ? 1 : classes), deviation: 0.001, using: generator)
  }

  /// R×inputs → R×(C+1), the background last, and R×4C, or R×4 where the classes share the boxes.
  func predict(_ x: Tensor) -> (logits: Tensor, deltas: Tensor) { (clsScore(x), bboxPred(x)) }
}

/// The losses and the test of class scores and box deltas.
struct FastRCNN {
  let transform: Box2BoxTransform
  let smoothL1Beta: Double
  let test: DetectorSpec.Test

  init(_ spec: DetectorSpec) {
    transform = Box2BoxTransform(weights: spec.roi.boxWeights)
    (smoothL1Beta, test) = (spec.roi.smoothL1Beta, spec.test)
  }

  /// The mean cross-entropy over all regions, and the L1 of the true class's deltas over the foreground, divided by the
  /// number of all regions too.
  /// - Parameters:
  ///   - logits: R×(C+1).
  ///   - deltas: R×4C or R×4.
  ///   - regions: of the images, R in all.
  ///   - truth: of the images.
  func losses(logits: Tensor, deltas: Tensor, _ regions: [SampledRegions], _ truth: [GroundTruth]) -> (
    classification: Tensor, box: Tensor
  ) {
    guard logits.isDefined, deltas.isDefined else { return (logits, deltas) }
    let classes = regions.flatMap(\.classes)
    guard !classes.isEmpty else { return (logits.sum(), deltas.sum()) }  // 0, with a gradient
    let classCount = logits.shape[1] - 1
    let isShared = deltas.shape[1] == 4
    var rows: [Int] = []  // of the foreground, among R·C deltas
    var start = 0
    for region in regions {
      rows += region.foregroundClasses.enumerated().map { place, name in
        isShared ? start + place : (start + place) * classCount + name
      }
      start += region.classes.count
    }
    let targets = zip(regions, truth).map { region, truth in
      transform.encode(
        truth.boxes.to(region.boxes.dtype).indexSelected(Tensor(region.matches)), of: region.foregroundBoxes)
    }
    let predicted = deltas.reshaped([-1, 4]).indexSelected(Tensor(rows, on: deltas.device))  // F×4
    let target = Tensor.concatenated(targets).to(deltas.device)
    return (
      crossEntropy(logits, Tensor(classes, on: logits.device)),
      smoothL1(predicted, target, beta: smoothL1Beta) / Double(classes.count)
    )
  }

  /// The objects of an image: of every class the boxes that score and that no better one covers, the best of all.
  /// - Parameters:
  ///   - logits: K×(C+1).
  ///   - deltas: K×4C or K×4.
  ///   - proposals: K×4.
  /// - Returns: also the row, among the K, that each object came from.
  func detections(logits: Tensor, deltas: Tensor, proposals: Tensor, in image: Size2D) -> (
    instances: Instances, rows: Tensor
  ) {
    let classCount = (logits.shape.last ?? 1) - 1
    let scores = softmax(logits, dim: 1)  // K×(C+1)
    let isFinite =
      scores.isFinite().min(dim: 1, keepDim: true) .& deltas.isFinite().min(dim: 1, keepDim: true)  // K×1
    let objects = scores.narrowed(0..<classCount, dim: 1)  // K×C
    let found = ((objects .> test.scoreThreshold) .& isFinite).nonzero()  // M×2
    let (rows, classes) = (found.selected(0, dim: 1), found.selected(1, dim: 1))
    let cells = rows * Tensor.full(Double(classCount), [], dtype: .int64, on: rows.device) + classes
    let isShared = deltas.shape.last == 4
    let moved = transform.decode(
      deltas.reshaped([-1, 4]).indexSelected(isShared ? rows : cells), of: proposals.indexSelected(rows))
    let boxes = moved.clipped(to: image)  // M×4
    let best = objects.reshaped([-1]).indexSelected(cells)
    let kept = batchedNMS(boxes, scores: best, classes: classes, threshold: test.nmsThreshold)
    let first = kept.narrowed(0..<min(test.detectionsPerImage, kept.shape.first ?? 0))
    return (
      Instances(
        size: image, boxes: boxes.indexSelected(first), scores: best.indexSelected(first),
        classes: classes.indexSelected(first)),
      rows.indexSelected(first)
    )
  }
}
