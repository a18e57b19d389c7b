import Data
import Files
import Foundation
import Testing

@Suite struct VOCSetTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open(_ objects: [String], _ options: DetectionOptions = .init()) throws -> DetectionDataset {
    let root = try makeVOC([("a", vocXML([vocObject()])), ("b", vocXML(objects))], in: folder)
    var options = options
    options.maxLeftOut = Fraction(value: 1)
    return try DetectionDataset.open(root + ":train", options)
  }

  /// The devkit counts pixels from 1, and both edges are in the box.
  @Test func theUpperLeftCornerMovesByOne() throws {
    let set = try open([vocObject("dog", ["1", "1", "64", "48"], difficult: true), vocObject()])
    #expect(set.classNames == ["cell", "dog"] && set.categoryIDs == [1, 2])
    #expect(set.summary == "2 images, 2 classes, 3 objects, VOC")
    let objects = set.objects(1)
    #expect(objects[0].box == BoundingBox(x0: 0, y0: 0, x1: 64, y1: 48))
    #expect(objects[0].isDifficult && !objects[1].isDifficult)
    #expect(objects[1].box == BoundingBox(x0: 2, y0: 3, x1: 20, y1: 30))
    #expect(set.leftOut.isEmpty)
  }

  /// Parts of objects, as VOC 2012 has them, have names and boxes too.
  @Test func partsOfAnObjectDoNotChangeIt() throws {
    let part =
      "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    let whole = vocObject().replacing("</object>", with: part + "</object>")
    let set = try open([whole, vocObject(more: part)])
    #expect(
      set.objects(1).map(\.box) == Array(repeating: BoundingBox(x0: 2, y0: 3, x1: 20, y1: 30), count: 2))
    #expect(set.classNames == ["cell"])
  }

  @Test(arguments: [
    (["7", "9", "7", "9"], AnnotationFault.empty, "1 box without area: b, object 1"),
    (
      ["30", "9", "7", "19"], .inverted, "1 box whose right or lower edge comes before the other: b, object 1"
    ),
    (["70", "9", "80", "19"], .outside, "1 box outside of the image: b, object 1"),
    (["nan", "9", "80", "19"], .notFinite, "1 box with a number that is not finite: b, object 1"),
    (["inf", "9", "80", "19"], .notFinite, "1 box with a number that is not finite: b, object 1"),
    (["1", "9", "1e300", "19"], .notFinite, "1 box with a number that is not finite: b, object 1"),
    (["1", "9", "x", "19"], .withoutBox, "1 object without a box of four numbers: b, object 1"),
    (["1", "9"], .withoutBox, "1 object without a box of four numbers: b, object 1"),
  ])
  func badBoxesAreCountedAndDoNotTrain(box: [String], fault: AnnotationFault, text: String) throws {
    let set = try open([vocObject("cell", box), vocObject()])
    #expect(set.leftOut[fault] == 1 && set.leftOut.isLoss)
    #expect(set.leftOut.lines() == [text])
    #expect(set.objects(1).count == 1)
  }

  @Test func aBoxOverTheEdgeIsKeptAndNoted() throws {
    let set = try open([vocObject("cell", ["50", "9", "80", "19"])])
    #expect(set.leftOut.lines() == ["1 box cut at the image's edge: b, object 1"])
    #expect(!set.leftOut.isLoss && set.objectCount == 2)
  }

  @Test func imagesWithoutUsableObjectsAreDroppedAndNamed() throws {
    let set = try open([vocObject("cell", ["7", "9", "7", "9"])])
    #expect(set.count == 1)
    #expect(set.leftOut.lines { $0.role == .image } == ["1 image without a usable object: b"])
    let empty = try open([])
    #expect(empty.leftOut.lines() == ["1 image without an object: b"])
    #expect(try open([], DetectionOptions(use: .testing)).count == 2)
  }

  @Test func tooManyLeftOutAreAnError() throws {
    let bad = vocObject("cell", ["7", "9", "7", "9"])
    let root = try makeVOC([("a", vocXML([vocObject(), bad, bad]))], in: folder)
    #expect(
      throws: DatasetError.badFile(
        reason:
          "2 of 3 objects of \(root):train cannot be used, more than 50%: 2 boxes without area: a, object 2; a, object 3; "
          + "correct the annotations, or allow more with --max-left-out")
    ) {
      try DetectionDataset.open(root + ":train")
    }
    let some = try DetectionDataset.open(root + ":train", DetectionOptions(maxLeftOut: Fraction(value: 0.7)))
    #expect(some.objectCount == 1)
  }

  @Test func imagesAndAnnotationsThatAreNotThereAreCounted() throws {
    let names = ["a", "b", "c", "d", "e"]
    let root = try makeVOC(names.map { ($0, vocXML([vocObject()])) }, in: folder)
    try FileManager.default.removeItem(atPath: root + "/JPEGImages/b.png")
    try FileManager.default.removeItem(atPath: root + "/Annotations/c.xml")
    try folder.text("VOC2007/ImageSets/Main/train.txt", "a\r\nb\r\n\r\nc\r\nd\r\na\r\ne 1\r\n")
    let set = try DetectionDataset.open(root + ":train")
    #expect(set.images.map(\.name) == ["a", "d", "e"])
    #expect(
      set.leftOut.lines() == [
        "1 image whose file is not there: b", "1 image listed twice: a",
        "1 image without a file of annotations: c",
      ])
  }

  /// Many tools write no size, or 0.
  @Test func aMissingSizeComesFromTheImage() throws {
    let root = try makeVOC(
      [("a", vocXML([vocObject()], width: nil)), ("b", vocXML([vocObject()], width: 0, height: 0))],
      in: folder)
    let set = try DetectionDataset.open(root + ":train")
    #expect(set.images.map(\.width) == [64, 64] && set.images.map(\.height) == [48, 48])
  }

  @Test func filesThatAreNoAnnotationsAreErrors() throws {
    let root = try makeVOC([("a", "<annotation><object></annotation>")], in: folder)
    func error() -> String {
      do {
        _ = try DetectionDataset.open(root + ":train")
        return ""
      } catch { return "\(error)" }
    }
    #expect(
      error()
        == "\(root)/Annotations/a.xml, line 1: no well-formed XML (mismatched tag); fetch or write it again")
    try folder.text("VOC2007/Annotations/a.xml", "<kml/>")
    #expect(
      error() == "\(root)/Annotations/a.xml has no VOC annotations: its outermost element is not `annotation`"
    )
    try folder.text(
      "VOC2007/Annotations/a.xml",
      "<!DOCTYPE annotation [<!ENTITY a \"aaaa\">]>\n<annotation>&a;</annotation>")
    #expect(
      error()
        == "\(root)/Annotations/a.xml, line 1: it declares entities, which annotations do not need and which "
        + "are not read; take them out")
    try folder.text(
      "VOC2007/Annotations/a.xml", String(repeating: "<a>", count: 65) + String(repeating: "</a>", count: 65))
    #expect(
      error()
        == "\(root)/Annotations/a.xml, line 1: more than 64 elements within each other; it is no file of annotations"
    )
    try folder.text("VOC2007/ImageSets/Main/train.txt", "\n\n")
    #expect(error() == "\(root)/ImageSets/Main/train.txt names no image; write one path a line")
  }

  @Test func aTestTakesTheClassesOfTraining() throws {
    let root = try makeVOC(
      [
        ("a", vocXML([vocObject("dog"), vocObject("cat")])),
        ("b", vocXML([vocObject("cat"), vocObject("cow")])),
      ],
      in: folder)
    let options = DetectionOptions(use: .testing, classNames: ["zebra", "cat"])
    let set = try DetectionDataset.open(root + ":train", options)
    #expect(set.classNames == ["zebra", "cat"])
    #expect(set.objects(0).map(\.classIndex) == [1])
    #expect(
      set.leftOut.lines() == [
        "2 objects of a class that the training set does not have: a, object 1 (dog); b, object 2 (cow)"
      ])
    #expect(
      throws: DatasetError.badFile(
        reason:
          "\(root):train has none of the training set's classes Dog, Cat; its own are cat, cow, dog")
    ) {
      try DetectionDataset.open(root + ":train", DetectionOptions(use: .testing, classNames: ["Dog", "Cat"]))
    }
  }

  @Test func masksOfVOCAreAnError() throws {
    let root = try makeVOC([("a", vocXML([vocObject()]))], in: folder)
    #expect(
      throws: DatasetError.badFile(
        reason:
          "\(root):train has no masks, as VOC's annotations of objects are boxes; train without masks")
    ) {
      try DetectionDataset.open(root + ":train", DetectionOptions(masks: true))
    }
  }
}
