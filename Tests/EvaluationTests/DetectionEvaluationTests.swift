import Data
import Evaluation
import Foundation
import TestSupport
import Testing
import Torch

@Suite struct DetectionEvaluations {
  private func truth(_ annotations: String, images: String = "{\"id\": 1, \"height\": 10, \"width\": 10}")
    throws
    -> COCOFile
  {
    let text =
      "{\"images\": [\(images)], \"categories\": [{\"id\": 1, \"name\": \"cat\"}], \"annotations\": [\(annotations)]}"
    return try COCOFile(Reference(name: "", value: JSONSerialization.jsonObject(with: Data(text.utf8))))
  }

  private func results(_ text: String) throws -> COCOResults {
    try COCOResults(Reference(name: "", value: JSONSerialization.jsonObject(with: Data("[\(text)]".utf8))))
  }

  private func fault(_ annotations: String, _ found: String, _ overlap: OverlapKind = .boxes) -> String {
    do {
      _ = try COCOEvaluation(truth: truth(annotations), results: results(found), COCOParameters(overlap))
      return "none"
    } catch let error as EvaluationError { return "\(error)" } catch { return "another: \(error)" }
  }

  private let object = "{\"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 4, 4], \"area\": 16}"

  @Test func damagedResultsAreNamed() {
    let box = "\"category_id\": 1, \"score\": 1, \"bbox\": [0, 0, 4, 4]"
    #expect(
      fault(object, "{\"image_id\": 2, \(box)}, {\"image_id\": 3, \(box)}").hasPrefix(
        "2 of the results are of images that "))
    let bare = "{\"image_id\": 1, \"category_id\": 1, \"score\": 1}"
    #expect(fault(object, bare) == "result 0 has no `bbox`, which this evaluation compares")
    #expect(
      fault(object, bare, .masks) == "result 0 has no `segmentation`, which this evaluation compares")
    #expect(
      fault(object, bare, .keypoints) == "result 0 has 0 numbers of keypoints instead of 51, three a point")
    let mask =
      "{\"image_id\": 1, \"category_id\": 1, \"score\": 1, \"segmentation\": {\"size\": [10, 10], \"counts\": \"5\"}}"
    #expect(
      fault(object, mask, .masks)
        == "the mask of result 0 is damaged: the run lengths add up to 5 pixels, and 10 × 10 are 100")
  }

  @Test func annotationsWithoutAreaTakeThatOfTheirMaskOrBox() throws {
    // 4 · 4 pixels are small: with the area of the box they count there.
    let evaluation = try COCOEvaluation(
      truth: truth("{\"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 4, 4]}"),
      results: results("{\"image_id\": 1, \"category_id\": 1, \"score\": 1, \"bbox\": [0, 0, 4, 4]}"),
      COCOParameters(.boxes))
    #expect(abs((evaluation.statistics[3].value) - 1) < 1e-12 && evaluation.statistics[4].value == -1)
  }

  @Test func repeatedIDsDoNotChangeTheScore() throws {
    func annotation(_ id: Int, _ x: Int) -> String {
      "{\"id\": \(id), \"image_id\": 1, \"category_id\": 1, \"bbox\": [\(x), 0, 4, 4], \"area\": 16}"
    }
    func found(_ x: Int) -> String {
      "{\"image_id\": 1, \"category_id\": 1, \"score\": 0.\(x + 1), \"bbox\": [\(x), 0, 4, 4]}"
    }
    let (file, detections) = (
      try truth("\(annotation(5, 0)), \(annotation(5, 5))"), try results("\(found(0)), \(found(5))")
    )
    let own = try COCOEvaluation(truth: file, results: detections, COCOParameters(.boxes))
    #expect(abs(own.statistics[0].value - 1) < 1e-12)
    #expect(own.warnings.count == 1 && own.warnings[0].contains("1 annotation has the id of an earlier one"))
    var parameters = COCOParameters(.boxes)
    parameters.numbering = .byID
    // The last annotation stands for both, so that one of the detections finds none:
    // pycocotools 2.0.11 gives 0.504950495049505.
    let theirs = try COCOEvaluation(truth: file, results: detections, parameters)
    #expect(abs(theirs.statistics[0].value - 0.504950495049505) < 1e-9)
  }

  @Test func picturesOfDifferentSizesAreRefused() {
    var matrix = ConfusionMatrix(classes: 2)
    #expect(throws: EvaluationError.pixels(truth: 3, prediction: 2, name: "a")) {
      try matrix.add(truth: [0, 1, 255], prediction: [0, 1], name: "a")
    }
    #expect(throws: EvaluationError.strangeClass(7, classes: 2, name: "the prediction of a")) {
      try matrix.add(truth: [0, 1, 255], prediction: [0, 7, 7], name: "a")
    }
    #expect(
      "\(EvaluationError.strangeClass(7, classes: 2, name: "the prediction of a"))"
        == "the prediction of a has a pixel of class 7, and there are 2 classes from 0 on")
    #expect(
      "\(EvaluationError.pixels(truth: 3, prediction: 2, name: "a"))"
        == "a has 2 pixels where its truth has 3; predictions have the size of the image")
  }

  // MARK: - Curves of a set

  /// Two thirds of the objects are found, each rightly.
  @Test(arguments: [DetectionMetric.coco, .voc]) func curvesEndAtTheRecallThatIsReached(
    metric: DetectionMetric
  ) throws {
    let set = try RectangleSet(metric == .voc ? .voc : .coco, images: 3)
    let data = try DetectionDataset.open(set.test, DetectionOptions(use: .testing))
    let found = (1..<3).flatMap { place in
      data.objects(place).map { object -> [String: Any] in
        let box = object.box
        return [
          "image_id": data.images[place].id, "category_id": data.categoryIDs[object.classIndex], "score": 0.5,
          "bbox": [box.x0, box.y0, box.width, box.height],
        ]
      }
    }
    let file = set.folder + "/found.json"
    try JSONSerialization.data(withJSONObject: found).write(to: URL(filePath: file))
    let curves = try DetectionMeasure(metric, data).curves(ofResults: file)
    #expect(curves.map(\.name) == (metric == .voc ? ["blue", "red"] : ["mean", "red", "blue"]))
    for curve in curves {
      #expect(metric == .coco ? curve.recall.count == 101 : curve.recall.last == 2.0 / 3)
      for (recall, precision) in zip(curve.recall, curve.precision) {
        // COCO's precision is right / (right + wrong + 2⁻⁵²).
        #expect(abs(precision - (recall <= 2.0 / 3 ? 1 : 0)) < 1e-12, "\(curve.name) at \(recall)")
      }
    }
  }
}
