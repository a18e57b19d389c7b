import Data
import Evaluation
import Foundation
import TestSupport
import Testing
import Torch

/// Reference numbers of VOC's development kits, of detectron2's VOC evaluator, and of cityscapesScripts.
@Suite struct TransferVOCAndCityscapes {
  static let kits = Reference.all.filter { $0["cases"][0]["image_set"].isThere }
  static let detectron2 = Reference.all.filter { $0["case"].text == "voc-boxes" }
  static let segmentation = Reference.all.filter { $0["expected"]["iou_percent"].isThere }
  static let semantic = Reference.all.filter { $0["confusion_rows_predicted_columns_true"].isThere }
  static let instances = Reference.all.filter { $0["images"][0]["predictions"].isThere }
  static let labels = Reference.all.filter { $0["average_class_size"].isThere }

  // MARK: - Boxes

  private func box(_ numbers: [Double], shift: Double = 0) -> SIMD4<Double> {
    SIMD4(numbers[0] + shift, numbers[1] + shift, numbers[2], numbers[3])
  }

  @Test(arguments: kits) func precisionIsTheDevelopmentKits(_ file: Reference) throws {
    for one in file["cases"].list {
      print("transfer: \(file.name): \(one["name"].text)")
      let (names, images) = (one["classes"].list.map(\.text), one["image_set"].list.map(\.text))
      let objects = images.enumerated().flatMap { image, name in
        one["ground_truth"][name].list.map {
          VOCEvaluation.Object(
            image: image, classIndex: names.firstIndex(of: $0["cls"].text) ?? -1, box: box($0["box"].numbers),
            isDifficult: $0["difficult"].whole == 1)
        }
      }
      let detections = one["detections"].list.map {
        VOCEvaluation.Detection(
          image: images.firstIndex(of: $0["image"].text) ?? -1,
          classIndex: names.firstIndex(of: $0["cls"].text) ?? -1, score: $0["score"].number,
          box: box($0["box"].numbers, shift: 1))
      }
      let thresholds = one["expected"].object.keys.sorted()
      let evaluation = VOCEvaluation(
        objects: objects, detections: detections, images: images.count, classes: names.count,
        thresholds: thresholds.compactMap(Double.init), .developmentKit)
      for (place, threshold) in thresholds.enumerated() {
        let expected = one["expected"][threshold]
        for (index, name) in names.enumerated() {
          let (curve, values) = (evaluation.curves[index][place], expected[name])
          #expect(curve.objects == values["objects"].whole)
          #expect(apart(curve.recall, values["recall"].numbers) < metricTolerance)
          #expect(apart(curve.precision, values["precision"].numbers) < metricTolerance)
          #expect(
            apart([curve.elevenPoints, curve.area], [values["ap07"].number, values["ap"].number])
              < metricTolerance)
        }
        let means = [
          evaluation.mean(.from2007, threshold: place), evaluation.mean(.from2010, threshold: place),
        ]
        #expect(
          apart(means, [expected["mean"]["ap07"].number, expected["mean"]["ap"].number]) < metricTolerance)
      }
    }
  }

  @Test(arguments: detectron2) func precisionIsDetectron2s(_ file: Reference) throws {
    print("transfer: \(file.name)")
    let (names, images) = (file["names"].list.map(\.text), file["images"].list.map(\.text))
    let objects = images.enumerated().flatMap { image, name in
      file["ground_truth"][name].list.map {
        VOCEvaluation.Object(
          image: image, classIndex: names.firstIndex(of: $0["name"].text) ?? -1, box: box($0["bbox"].numbers),
          isDifficult: $0["difficult"].whole == 1)
      }
    }
    let detections = file["detections"].list.map {
      VOCEvaluation.Detection(
        image: images.firstIndex(of: $0["image"].text) ?? -1,
        classIndex: names.firstIndex(of: $0["name"].text) ?? -1, score: $0["score"].number,
        box: box($0["box"].numbers, shift: 1))
    }
    for (name, lines) in file["lines"].object {
      let own = detections.filter { names[$0.classIndex] == name }.map {
        VOCEvaluation.line($0, image: images[$0.image])
      }
      #expect(own.sorted() == lines.list.map(\.text).sorted())
    }
    let evaluation = VOCEvaluation(
      objects: objects, detections: detections, images: images.count, classes: names.count,
      thresholds: (10..<20).map { Double($0 * 5) / 100 }, .detectron2)
    for (year, rule) in [("2007", VOCEvaluation.Year.from2007), ("2012", .from2010)] {
      let expected = file["expected"][year]
      let means = [
        evaluation.mean(rule), evaluation.mean(rule, threshold: 0), evaluation.mean(rule, threshold: 5),
      ].map { $0 * 100 }
      #expect(apart(means, ["AP", "AP50", "AP75"].map { expected["AP"][$0].number }) < metricTolerance)
      for (name, values) in expected["classes"].object {
        let index = try #require(names.firstIndex(of: name))
        for (percent, value) in values.object {
          let place = try (#require(Int(percent)) - 50) / 5
          let found = evaluation.averagePrecision(rule, class: index, threshold: place)
          #expect(apart([found], [value.number]) < metricTolerance, "\(year), \(name), \(percent)")
        }
      }
    }
  }

  // MARK: - Pixels

  /// From [value, count], row by row.
  private func pixels<Value: FixedWidthInteger>(_ runs: Reference) -> [Value] {
    runs.list.flatMap { run in Array(repeating: Value(run[0].whole), count: run[1].whole) }
  }

  @Test(arguments: segmentation) func segmentationIsTheDevelopmentKits(_ file: Reference) throws {
    print("transfer: \(file.name)")
    var matrix = ConfusionMatrix(classes: file["classes"].whole + 1)
    for image in file["images"].list {
      try matrix.add(
        truth: pixels(image["ground_truth"]), prediction: pixels(image["prediction"]), name: "image")
    }
    #expect(matrix.counts == file["expected"]["confusion"].flat.map { Int($0) })
    let overlaps = (0..<matrix.classes).map { (matrix.intersectionOverUnion($0) ?? .nan) * 100 }
    #expect(apart(overlaps, file["expected"]["iou_percent"].numbers) < metricTolerance)
    let mean = matrix.meanIntersectionOverUnion(.all) * 100
    #expect(apart([mean], [file["expected"]["mean_iou_percent"].number]) < metricTolerance)
  }

  @Test(arguments: semantic) func meanIoUIsDetectron2s(_ file: Reference) throws {
    print("transfer: \(file.name)")
    let classes = file["classes"].whole
    var matrix = ConfusionMatrix(classes: classes)
    for image in file["images"].list {
      let (salt, shape) = (image["salt"].whole, image["shape"].wholes)
      func u(_ offset: Int) -> [Double] { formula(salt: salt + offset, shape: shape).array(of: Double.self) }
      let (a, b, c, d) = (u(0), u(1), u(2), u(3))
      let truth = a.indices.map { b[$0] > 0.85 ? 255 : UInt8((a[$0] + 1) / 2 * Double(classes - 1)) }
      let prediction = a.indices.map {
        c[$0] < 0.4 ? (truth[$0] == 255 ? 0 : truth[$0]) : UInt8((d[$0] + 1) / 2 * Double(classes))
      }
      try matrix.add(truth: truth, prediction: prediction, name: "image")
    }
    let transposed = file["confusion_rows_predicted_columns_true"]
    for truth in 0..<classes {
      for prediction in 0..<classes {
        #expect(matrix[truth, prediction] == transposed[prediction][truth].whole)
      }
    }
    let expected = file["expected"]
    let found = [
      matrix.meanIntersectionOverUnion(.present), matrix.frequencyWeighted, matrix.meanAccuracy,
      matrix.pixelAccuracy,
    ].map { $0 * 100 }
    #expect(apart(found, ["mIoU", "fwIoU", "mACC", "pACC"].map { expected[$0].number }) < metricTolerance)
    for index in 0..<classes where matrix.truePixels(index) > 0 {
      let found = [matrix.intersectionOverUnion(index), matrix.accuracy(index)].map { ($0 ?? .nan) * 100 }
      #expect(
        apart(found, [expected["IoU-\(index)"].number, expected["ACC-\(index)"].number]) < metricTolerance)
    }
  }

  // MARK: - Cityscapes

  @Test(arguments: labels) func labelsAreCityscapesScripts(_ file: Reference) throws {
    print("transfer: \(file.name)")
    var evaluation = CityscapesSemanticEvaluation(
      averageSizes: file["average_class_size"].object.mapValues(\.number))
    for image in file["images"].list {
      try evaluation.add(
        labels: pixels(image["label_ids"]), instances: pixels(image["instance_ids"]),
        prediction: pixels(image["prediction"]), name: "image")
    }
    let expected = file["expected"]
    for cell in expected["confusion"].list.map(\.wholes) {
      #expect(evaluation.pixels(truth: cell[0], prediction: cell[1]) == cell[2])
    }
    for label in CityscapesLabel.all {
      let found = [evaluation.labelIoU(label.id), evaluation.labelInstanceIoU(label.id)].map { $0 ?? .nan }
      let values = [expected["iou"][label.name].number, expected["iiou"][label.name].number]
      #expect(apart(found, values) < metricTolerance, "\(label.name)")
    }
    for (place, name) in CityscapesLabel.categories.enumerated() {
      let found = [evaluation.categoryIoU(place), evaluation.categoryInstanceIoU(place)].map { $0 ?? .nan }
      let values = [expected["category_iou"][name].number, expected["category_iiou"][name].number]
      #expect(apart(found, values) < metricTolerance, "\(name)")
    }
    let means = [
      evaluation.meanIoU, evaluation.meanInstanceIoU, evaluation.meanCategoryIoU,
      evaluation.meanCategoryInstanceIoU,
    ].map { $0 ?? .nan }
    let names = ["mean_iou", "mean_iiou", "mean_category_iou", "mean_category_iiou"]
    #expect(apart(means, names.map { expected[$0].number }) < metricTolerance)
  }

  @Test(arguments: instances) func instancesAreCityscapesScripts(_ file: Reference) throws {
    print("transfer: \(file.name)")
    var evaluation = CityscapesInstanceEvaluation()
    for image in file["images"].list {
      try evaluation.add(
        instances: pixels(image["instance_ids"]),
        predictions: image["predictions"].list.map {
          CityscapesInstanceEvaluation.Prediction(
            label: $0["label"].whole, score: $0["score"].number, mask: pixels($0["mask"]))
        }, name: "image")
    }
    let expected = file["expected"]
    #expect(CityscapesLabel.instances.map(\.name) == expected["classes"].list.map(\.text))
    // Foundation's reader of JSON may round the last bit of a number another way.
    #expect(apart(CityscapesInstanceEvaluation.thresholds, expected["overlaps"].numbers) < 1e-15)
    for (index, label) in CityscapesLabel.instances.enumerated() {
      let found = CityscapesInstanceEvaluation.thresholds.map {
        evaluation.averagePrecision(class: index, threshold: $0) ?? .nan
      }
      #expect(apart(found, expected["ap"][index].numbers) < metricTolerance, "\(label.name)")
      let means = [evaluation.mean(class: index) ?? .nan, found[0]]
      let values = expected["per_class"][label.name]
      #expect(apart(means, [values["ap"].number, values["ap50"].number]) < metricTolerance)
    }
    let means = [evaluation.mean() ?? .nan, evaluation.mean([0.5]) ?? .nan]
    #expect(apart(means, [expected["average"].number, expected["average50"].number]) < metricTolerance)
  }
}
