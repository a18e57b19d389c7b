import Data
import Evaluation
import Files
import Foundation
import Images
import TestSupport
import Testing
import Torch
@testable import Reports

/// A picture of one class with boxes of the same top and height.
private func picture(
  _ name: String = "a.png", path: String = "nowhere.png", truth: [DetectionPicture.Truth] = [],
  _ detections: [DetectionPicture.Detection] = []
) -> DetectionPicture {
  DetectionPicture(
    name: name, path: path, width: 200, height: 100, truth: truth, detections: detections)
}

private func box(_ x0: Double, _ x1: Double) -> BoundingBox { BoundingBox(x0: x0, y0: 0, x1: x1, y1: 10) }

@Suite struct PictureMatchings {
  @Test func theHigherScoreTakesTheObjectThatBothFind() {
    let matching = PictureMatching(
      picture(
        truth: [.init(box: box(0, 10), classIndex: 0)],
        [
          .init(box: box(0, 10), classIndex: 0, score: 0.6),  // IoU 1
          .init(box: box(0, 8), classIndex: 0, score: 0.9),  // IoU 0.8
        ]))
    #expect(matching.outcomes == [.wrong, .right(0)])
    #expect(matching.scores == [0.9])
    #expect(abs(matching.gap - 0.1) < 1e-12)
  }

  @Test func anOverlapOfOneHalfIsEnoughAndLessIsNot() {
    func outcome(_ end: Double) -> PictureMatching.Outcome {
      PictureMatching(
        picture(
          truth: [.init(box: box(0, 10), classIndex: 0)], [.init(box: box(0, end), classIndex: 0, score: 1)])
      ).outcomes[0]
    }
    #expect(outcome(20) == .right(0))
    #expect(outcome(20.001) == .wrong)
  }

  @Test func aDetectionTakesTheObjectThatItOverlapsMostOfItsClass() {
    let matching = PictureMatching(
      picture(
        truth: [
          .init(box: box(0, 10), classIndex: 1), .init(box: box(2, 10), classIndex: 0),
          .init(box: box(1, 10), classIndex: 0),
        ], [.init(box: box(0, 10), classIndex: 0, score: 0.5)]))
    #expect(matching.outcomes == [.right(2)])
    #expect(matching.gap == 2.5)  // two missed, one by half
  }

  @Test func whatLiesOnACrowdIsNeitherRightNorWrong() {
    let matching = PictureMatching(
      picture(
        truth: [.init(box: box(0, 100), classIndex: 0, isIgnored: true)],
        [
          .init(box: box(0, 10), classIndex: 0, score: 0.5),
          .init(box: box(0, 10), classIndex: 1, score: 0.5),
          .init(box: box(98, 108), classIndex: 0, score: 0.5),
        ]))
    #expect(matching.outcomes == [.ignored, .wrong, .wrong])
    #expect(matching.gap == 0 && matching.scores == [nil])
  }

  @Test func boxesWithoutAreaOrOrderFindNothing() {
    let odd = [BoundingBox(x0: 5, y0: 5, x1: 5, y1: 5), BoundingBox(x0: 10, y0: 10, x1: 0, y1: 0)]
    let matching = PictureMatching(
      picture(
        truth: [.init(box: box(0, 10), classIndex: 0), .init(box: odd[0], classIndex: 0, isIgnored: true)],
        odd.map { .init(box: $0, classIndex: 0, score: .nan) }))
    #expect(matching.outcomes == [.wrong, .wrong])
  }
}

@Suite struct MaskOutlines {
  /// Whether a pixel's centre lies inside a path of M, h, v and z, by the even-odd rule.
  private func isInside(_ path: String, _ x: Double, _ y: Double) -> Bool {
    var crossings = 0
    var place = (x: 0.0, y: 0.0)
    for piece in path.split(separator: "z") {
      let move = piece.dropFirst().prefix { $0 != "h" && $0 != "v" }.split(separator: " ").map {
        Double($0) ?? .nan
      }
      place = (move[0], move[1])
      var rest = piece.drop { $0 != "h" && $0 != "v" }
      while let letter = rest.first {
        let number = rest.dropFirst().prefix { $0 != "h" && $0 != "v" }
        let length = Double(number) ?? .nan
        if letter == "h" {
          place.x += length
        } else {
          let (low, high) = (min(place.y, place.y + length), max(place.y, place.y + length))
          if place.x > x, low < y, y < high { crossings += 1 }
          place.y += length
        }
        rest = rest.dropFirst(1 + number.count)
      }
    }
    return crossings % 2 == 1
  }

  @Test func everyBitmapIsWhatItsOutlineEncloses() {
    var generator = CounterGenerator(seed: 5, .sampleOrder, 0)
    for (width, height) in [(1, 1), (3, 2), (7, 9), (16, 5)] {
      for _ in 0..<20 {
        let bytes = (0..<width * height).map { _ in UInt8(generator.next() & 1) }
        let mask = bytes.withUnsafeBytes { RunLengthMask(bitmap: $0, height: height, width: width) }
        let path = MaskOutline(.runLengths(mask), scale: 1, width: width, height: height).path
        for y in 0..<height {
          for x in 0..<width {
            #expect(
              isInside(path, Double(x) + 0.5, Double(y) + 0.5) == (bytes[y * width + x] == 1), "\(path)")
          }
        }
      }
    }
  }

  @Test func aRectangleHasFourEdges() {
    let bytes: [UInt8] = [0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0]
    let mask = bytes.withUnsafeBytes { RunLengthMask(bitmap: $0, height: 3, width: 4) }
    #expect(MaskOutline(.runLengths(mask), scale: 1, width: 4, height: 3).path == "M1 1h2v2h-2v-2z")
    #expect(MaskOutline(.runLengths(mask), scale: 0.5, width: 2, height: 2).path == "M0 0h1v1h-1v-1z")
  }

  @Test func polygonsAreScaledAndStayFinite() {
    let mask = InstanceMask.polygons([[0, 0, 10, 0, 10, 8], [1, 1, .infinity, .nan, 1e300, -1e300]])
    let path = MaskOutline(mask, scale: 0.5, width: 20, height: 10).path
    #expect(path == "M0 0L5 0L5 4zM0.5 0.5L0 0L80 -80z")
  }
}

@Suite struct FrameLabelPlaces {
  @Test func noLabelCoversAnotherOrLeavesThePicture() {
    var labels = FrameLabels(width: 120, height: 80)
    var placed: [FrameLabels.Box] = []
    for index in 0..<40 {
      let x = Double(index % 8) * 14, y = Double(index / 8) * 15
      if let place = labels.place("cell 0.9", at: .init(left: x, top: y, right: x + 20, bottom: y + 20)) {
        #expect(place.left >= 0 && place.right <= 120 && place.top >= 0 && place.bottom <= 80)
        #expect(!placed.contains(where: place.overlaps))
        placed.append(place)
      }
    }
    #expect(placed.count > 5)
  }

  @Test func aLongNameKeepsItsScore() {
    #expect(FrameLabels.shortened("a class with a very long name 0.95") == "a class with a ver… 0.95")
    #expect(FrameLabels.shortened("dog 0.95") == "dog 0.95")
  }
}

@Suite struct DetectionPages {
  private static func content(
    _ pictures: [DetectionPicture], scores: [DetectionSummary] = [], steps: [LoggedLosses] = []
  ) -> DetectionPage.Content {
    DetectionPage.Content(
      name: "cells", lead: "A lead.", state: "The run is finished.", classNames: ["cell & <b>", "platelet"],
      pictures: pictures, scores: scores, steps: steps, settings: [("recipe", "small-c4")])
  }

  /// A picture's file with a gradient.
  private static func file(_ folder: String, _ name: String) throws -> String {
    let pixels = (0..<20_000).flatMap { (place: Int) -> [UInt8] in
      [UInt8(place % 200), UInt8(place / 200), 128]
    }
    let path = joined(folder, name)
    try RGBImage(width: 200, height: 100, pixels: pixels).pngData().write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func theWorstMissesComeFirstAndFoundPicturesStayOut() throws {
    try withFolder { folder in
      let path = try Self.file(folder, "x.png")
      let truth: [DetectionPicture.Truth] = [
        .init(box: box(0, 10), classIndex: 0), .init(box: box(50, 60), classIndex: 1),
      ]
      func detection(_ score: Double) -> DetectionPicture.Detection {
        .init(box: box(0, 10), classIndex: 0, score: score)
      }
      let page = DetectionPage(
        Self.content([
          picture("perfect", path: path, truth: [truth[0]], [detection(1)]),
          picture("doubtful", path: path, truth: [truth[0]], [detection(0.25)]),
          picture("half", path: path, truth: truth, [detection(0.75)]),
          picture("none", path: path, truth: truth),
        ]))
      let order = ["none", "half", "doubtful"].map { page.html.range(of: "<b>\($0)</b>")?.lowerBound }
      #expect(order.allSatisfy { $0 != nil } && order.compactMap(\.self) == order.compactMap(\.self).sorted())
      #expect(!page.html.contains("<b>perfect</b>") && page.missing.isEmpty)
      #expect(page.html.contains("<b>half</b> found 1 of 2; 0 wrong; gap 1.25"))
      #expect(page.html.contains("<b>doubtful</b> found 1 of 1; 0 wrong; gap 0.75"))
      // Names come from files.
      #expect(page.html.contains("cell &amp; &lt;b&gt;") && !page.html.contains("cell & <b>"))
      // Each picture is in the page once.
      #expect(page.html.components(separatedBy: "data:image/jpeg").count - 1 == 3)
      #expect(page.html.components(separatedBy: "<use href=\"#picture-").count - 1 == 3)
    }
  }

  @Test func whatCannotBeShownIsNamed() throws {
    try withFolder { folder in
      let path = try Self.file(folder, "x.png")
      var wrong = picture("other size", path: path, truth: [.init(box: box(0, 10), classIndex: 0)])
      wrong.width = 300
      let gone = picture(
        "gone", path: joined(folder, "y.png"), truth: [.init(box: box(0, 10), classIndex: 7)])
      let page = DetectionPage(Self.content([wrong, gone]))
      #expect(page.missing.count == 2)
      #expect(
        page.missing[0]
          == "other size: \(path): cannot be read: it has 200 × 100 pixels, and its annotations are for 300 × 100"
      )
      #expect(page.missing[1].hasPrefix("gone: "))
      #expect(page.html.contains("The test images cannot be shown."))
      #expect(page.html.contains("No test has been made yet."))
      #expect(page.html.contains("No step has been logged yet."))
    }
  }

  private static func summary(_ compared: String, classes: Int) -> DetectionSummary {
    DetectionSummary(
      metric: "COCO", compared: compared, ap: 0.4, ap50: 0.7, ap75: nil,
      sizes: [.init(name: "small", ap: 0.1), .init(name: "medium", ap: nil), .init(name: "large", ap: 0.6)],
      classes: (0..<classes).map {
        .init(name: "class \($0)", objects: $0, ap: $0 == 0 ? nil : Double($0) / Double(classes), ap50: 0.5)
      },
      curves: [.init(name: "mean", recall: [0, 0.5, 1], precision: [1, 0.5, 0])])
  }

  @Test func ofManyClassesTheBestAndTheWorstAreDrawn() throws {
    let few = DetectionCharts(scores: [Self.summary("boxes", classes: 4)], steps: [])
    #expect(few.classes?.x.scale == .categories(["class 3", "class 2", "class 1"]))
    let many = try #require(DetectionCharts(scores: [Self.summary("boxes", classes: 81)], steps: []).classes)
    #expect(many.title == "AP by class: the 12 best and the 12 worst of 80")
    #expect(many.series[0].points.count == 24 && many.series[0].points.first?.y == 100 * 80.0 / 81)
    #expect(many.series[0].points.last?.y == 100.0 / 81)
    let both = DetectionCharts(
      scores: [Self.summary("boxes", classes: 3), Self.summary("masks", classes: 3)], steps: [])
    #expect(both.sizes?.series.map(\.name) == ["boxes", "masks"] && both.curves.count == 2)
    #expect(both.sizes?.series[0].points.map(\.y) == [10, nil, 60])
  }

  @Test func everyLossHasACurveOfItsOwn() {
    let steps = (1...500).map {
      LoggedLosses(
        step: $0, losses: ["loss_cls": 2 / Double($0), "loss_rpn_cls": 1, "loss_odd": .nan, "loss_new": 3])
    }
    let charts = DetectionCharts(scores: [], steps: steps).losses
    #expect(
      charts.map(\.title) == ["Proposals: object or not", "Boxes: class", "loss_new"],
      "a sum with a number that is none has no curve")
    #expect(charts[1].series.map(\.isFaint) == [true, false] && charts[1].series[1].points.count == 60)
    #expect(charts[1].series[0].points.count == 500)
    for chart in charts { _ = chart.drawing().svg(.page) }
  }

  /// For a look: `DETECTION_PAGE=FILE swift test --filter DetectionPages`.
  @Test func aWholePageFetchesNothing() throws {
    try withFolder { folder in
      let path = try Self.file(folder, "x.png")
      let disc = (0..<20_000).map { (place: Int) -> UInt8 in
        let (x, y) = (Double(place % 200) - 60, Double(place / 200) - 50)
        return x * x + y * y < 900 ? 1 : 0
      }
      let mask = disc.withUnsafeBytes { RunLengthMask(bitmap: $0, height: 100, width: 200) }
      let truth: [DetectionPicture.Truth] = [
        .init(box: .init(x0: 30, y0: 20, x1: 90, y1: 80), classIndex: 0, mask: .runLengths(mask)),
        .init(
          box: .init(x0: 120, y0: 30, x1: 170, y1: 70), classIndex: 1,
          mask: .polygons([[120, 30, 170, 30, 145, 70]])),
        .init(box: .init(x0: 0, y0: 90, x1: 200, y1: 100), classIndex: 1, isIgnored: true),
      ]
      let found: [DetectionPicture.Detection] = [
        .init(
          box: .init(x0: 32, y0: 22, x1: 90, y1: 80), classIndex: 0, score: 0.93, mask: .runLengths(mask)),
        .init(box: .init(x0: 110, y0: 5, x1: 140, y1: 25), classIndex: 1, score: 0.6),
        .init(box: .init(x0: 110, y0: 5, x1: 140, y1: 25), classIndex: 1, score: 0.1),
      ]
      let steps = (1...300).map {
        LoggedLosses(
          step: $0, losses: ["loss_cls": 2 / Double($0), "loss_rpn_cls": 1 / Double($0), "loss_mask": 0.7],
          learningRate: 0.02)
      }
      let page = DetectionPage(
        Self.content(
          [picture("x.png", path: path, truth: truth, found), picture("y.png", path: path, truth: truth)],
          scores: [Self.summary("boxes", classes: 5), Self.summary("masks", classes: 5)], steps: steps))
      #expect(page.missing.isEmpty)
      #expect(
        !page.html.contains("http://")
          || page.html.components(separatedBy: "http://").dropFirst().allSatisfy {
            $0.hasPrefix("www.w3.org/2000/svg")
          })
      #expect(page.html.contains("found 1 of 2; 1 wrong"))
      let out = ProcessInfo.processInfo.environment["DETECTION_PAGE"] ?? joined(folder, "page.html")
      try page.write(to: out)
    }
  }
}

@Suite struct PrecisionOverRecall {
  @Test func theMeanAndTheBestAndWorstClassesAreDrawn() {
    func curve(_ name: String, _ precision: Double) -> DetectionScore.Curve {
      .init(name: name, recall: [0, 1], precision: [1, precision])
    }
    let curves = (0..<10).map { curve("class \($0)", Double($0) / 10) } + [curve("mean", 0.45)]
    let chart = Chart.precisionOverRecall(curves, of: "masks", classes: 5)
    #expect(chart.title == "Precision over recall, masks")
    #expect(
      chart.series.map(\.name) == ["mean", "class 9", "class 8", "class 2", "class 1", "class 0"])
    #expect(chart.series[1].points.map(\.y) == [1, 0.9])
    let few = Chart.precisionOverRecall(Array(curves.prefix(3)))
    #expect(few.title == "Precision over recall" && few.series.count == 3)
  }
}
