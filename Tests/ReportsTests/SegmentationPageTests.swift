import Data
import Evaluation
import Files
import Foundation
import Images
import TestSupport
import Testing
@testable import Reports

@Suite struct SegmentationPages {
  /// 60 × 40 pixels with a gradient, whose left half is class 1 and whose frame of two pixels has none. `wrong` columns of
  /// class 1 are taken for class 2.
  private static func picture(_ name: String, wrong: Int) -> SegmentationPicture {
    let (width, height) = (60, 40)
    var (truth, found) = ([UInt8](), [UInt8]())
    for place in 0..<width * height {
      let (x, y) = (place % width, place / width)
      let isFrame = x < 2 || y < 2 || x >= width - 2 || y >= height - 2
      truth.append(isFrame ? LabelMap.ignored : x < 30 ? 1 : 0)
      found.append(x >= 30 ? 0 : x < 2 + wrong ? 2 : 1)
    }
    let pixels = (0..<width * height).flatMap { (place: Int) -> [UInt8] in
      [UInt8(4 * (place % width)), UInt8(6 * (place / width)), 128]
    }
    return SegmentationPicture(
      name: name, image: RGBImage(width: width, height: height, pixels: pixels),
      truth: LabelMap(height: height, width: width, labels: truth),
      prediction: LabelMap(height: height, width: width, labels: found))
  }

  private static func content(
    _ pictures: [SegmentationPicture], classes: Int = 3, isTested: Bool = true
  ) throws -> SegmentationPage.Content {
    let names = (0..<classes).map { $0 == 2 ? "tree & <b>" : "class \($0)" }
    var matrix = ConfusionMatrix(classes: classes)
    for picture in pictures {
      try matrix.add(
        truth: picture.truth.labels, prediction: picture.prediction.labels, name: picture.name)
    }
    let scores = SegmentationScores(matrix, classNames: names)
    return SegmentationPage.Content(
      name: "plants", lead: "A lead.", state: "The run is finished.", classNames: names,
      palette: (0..<classes).map { SIMD3(UInt8($0 * 40 % 256), 128, 0) }, pictures: pictures,
      test: isTested ? (pictures.count, scores) : nil,
      confusion: isTested ? ConfusionTable(matrix, classNames: names) : nil,
      steps: (1...100).map {
        LoggedLosses(step: $0, losses: ["loss_sem_seg": 2 / Double($0)], learningRate: 0.01)
      }, settings: [("recipe", "small-fcn")])
  }

  @Test func mistakesAreCountedOverPixelsWithAClass() {
    let found = Self.picture("a", wrong: 5).mistakes
    #expect(found.pixels == 56 * 36 && found.right == (56 - 5) * 36)
    #expect(found.list == [.init(truth: 1, prediction: 2, pixels: 5 * 36)])
  }

  /// For a look: `SEGMENTATION_PAGE=FILE swift test --filter SegmentationPages`.
  @Test func aWholePageShowsEachPictureFourTimesAndFetchesNothing() throws {
    let page = try SegmentationPage(
      Self.content([Self.picture("worst", wrong: 20), Self.picture("good", wrong: 1)]))
    #expect(page.html.components(separatedBy: "<img class=\"panel\"").count - 1 == 8)
    // 20 of 56 columns.
    #expect(
      page.html.contains(
        "<b>worst</b> 35.7 % of its pixels are wrong: class 1 as tree &amp; &lt;b&gt; 35.7 %"))
    #expect(page.html.contains("<b>good</b> 1.8 % of its pixels are wrong"))
    #expect(page.html.contains("IoU by class") && page.html.contains("Pixels of each true class"))
    #expect(page.html.contains("Cross-entropy of the pixels") && page.html.contains("Learning rate"))
    #expect(page.html.contains("A guess has 1.10."))
    #expect(!page.html.contains("Sum of the losses"))
    // Names come from files.
    #expect(!page.html.contains("tree & <b>"))
    #expect(
      page.html.components(separatedBy: "http://").dropFirst().allSatisfy {
        $0.hasPrefix("www.w3.org/2000/svg")
      })
    try withFolder { folder in
      let out = ProcessInfo.processInfo.environment["SEGMENTATION_PAGE"] ?? joined(folder, "page.html")
      try page.write(to: out)
    }
  }

  @Test func whatIsMissingIsSaid() throws {
    let page = try SegmentationPage(Self.content([], isTested: false))
    #expect(page.html.contains("The run has no predictions of its test images yet."))
    #expect(page.html.contains("No test has been made yet."))
    let perfect = try SegmentationPage(Self.content([], isTested: true))
    #expect(perfect.html.contains("No test image can be shown, or no pixel of them is wrong."))
  }

  // MARK: - The picture of confusion

  @Test func aCellHasTheShareOfItsRow() throws {
    var matrix = ConfusionMatrix(classes: 3)
    // Of class 0 three quarters are right; class 1 occurs nowhere; class 2 is never found.
    try matrix.add(truth: [0, 0, 0, 0, 2, 2], prediction: [0, 0, 0, 2, 0, 0], name: "a")
    let drawing = ConfusionPicture(ConfusionTable(matrix, classNames: ["sky", "sea", "sand"])).drawing()
    let labels = drawing.marks.compactMap { if case .label(let label) = $0 { label.text } else { nil } }
    #expect(labels.count { $0 == "sky" } == 2 && labels.count { $0 == "sand" } == 2)
    #expect(!labels.contains("sea"))
    #expect(labels.contains("75") && labels.contains("25") && labels.contains("100"))
    #expect(labels.contains("Pixels of each true class by predicted class, % (the 2 largest of 3 classes)"))
    let fills = drawing.marks.compactMap { if case .fill(_, let paint) = $0 { paint } else { nil } }
    // Four cells' grounds and three shares.
    #expect(fills.count == 7)
    #expect(fills.contains(Paint(.series(0), opacity: 0.08 + 0.82 * 0.75)))
    #expect(fills.contains(Paint(.series(1), opacity: 0.08 + 0.82 * 1)))
  }

  /// Every text lies in the picture, and "true class" not on the names beside it. Fonts differ by a tenth.
  @Test(arguments: 1...3)
  func aPictureOfFewClassesHasRoomForItsTexts(classes: Int) throws {
    var matrix = ConfusionMatrix(classes: classes)
    let pixels = (0..<classes).map { UInt8($0) }
    try matrix.add(truth: pixels, prediction: pixels, name: "a")
    let names = Array(["background", "person", "a very long name of a class"].prefix(classes))
    let drawing = ConfusionPicture(ConfusionTable(matrix, classNames: names)).drawing()
    let labels = drawing.marks.compactMap { if case .label(let label) = $0 { label } else { nil } }
    let upright = try #require(labels.first { $0.angle == -90 })
    #expect(upright.text == "true class")
    for label in labels where label.angle == 0 {
      let width = 1.1 * FontMetrics.width(of: label.text, size: label.size, isBold: label.isBold)
      let start =
        switch label.anchor {
        case .start: label.position.x
        case .middle: label.position.x - width / 2
        case .end: label.position.x - width
        }
      #expect(start >= 0 && start + width <= drawing.width, "\(label.text)")
      if label.anchor == .end { #expect(start >= upright.position.x + 4, "\(label.text)") }
    }
    #expect(
      drawing.title.hasPrefix("Pixels of each true class") && labels.contains { $0.text == drawing.title })
  }

  /// The letters of a small picture would be three times as large as those of the charts beside it.
  @Test func thePageDoesNotEnlargeThePictureOfConfusion() throws {
    let content = try Self.content([Self.picture("a", wrong: 5)])
    let drawing = ConfusionPicture(try #require(content.confusion)).drawing()
    let html = try SegmentationPage(content).html
    #expect(
      drawing.width < 832 && html.contains("<div style=\"max-width: \(coordinate(drawing.width))px\"><svg"))
  }

  @Test func ofManyClassesThoseWithTheMostPixelsAreDrawn() throws {
    let classes = 60
    var matrix = ConfusionMatrix(classes: classes)
    for index in 0..<classes {
      let pixels = [UInt8](repeating: UInt8(index), count: index + 1)
      try matrix.add(truth: pixels, prediction: pixels, name: "a")
    }
    let table = ConfusionTable(matrix, classNames: (0..<classes).map { "a class of a long name \($0)" })
    let drawing = ConfusionPicture(table).drawing()
    let labels = drawing.marks.compactMap { if case .label(let label) = $0 { label.text } else { nil } }
    #expect(labels.count == 2 + 2 * ConfusionPicture.limit)  // no numbers in small cells
    #expect(drawing.width < 1500 && drawing.height < 1500)
    _ = drawing.svg(.page)
    let none = ConfusionPicture(ConfusionTable(ConfusionMatrix(classes: 2), classNames: ["a", "b"])).drawing()
    _ = none.svg()
  }
}
