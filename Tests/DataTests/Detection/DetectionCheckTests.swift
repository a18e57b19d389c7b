import Data
import Foundation
import Images
import Testing

@Suite struct DetectionCheckTests {
  @Test func everyImageIsDecodedAndMeasured() throws {
    let folder = try TemporaryFolder()
    let names = (0..<6).map(letter)
    let root = try makeVOC(names.map { ($0, vocXML([vocObject()])) }, in: folder)
    try folder.text("VOC2007/JPEGImages/b.png", "no picture")
    try folder.picture("VOC2007/JPEGImages/e.png", width: 48, height: 64)
    let decoder = ImageDecoder(appliesOrientation: true)
    let set = try DetectionCheck.open(root + ":train", decoder: decoder, workers: 2)
    var faults: [BadFile?] = []
    try DetectionCheck(set, workers: 2).run { faults.append($0) }
    #expect(faults.count == 6 && faults.compactMap(\.self).map(\.sample) == [1, 4])
    #expect(faults[4]?.reason == "cannot be read: it has 48 × 64 pixels, and its annotations are for 64 × 48")

    // Headers show as much.
    var seen: [BadFile?] = []
    try DetectionCheck(set, decodes: false, workers: 2).run { seen.append($0) }
    #expect(seen == faults)
  }

  @Test func masksAreJudgedWhereThereAreSome() throws {
    let folder = try TemporaryFolder()
    let bad = annotation(#""segmentation": {"size": [48, 64], "counts": [3, 5]}"#)
    let spec = try makeCOCO(
      coco([goodAnnotation, bad, annotation(#""segmentation": [[5, 5, 9, 5, 9, 9]]"#, id: 3)]), in: folder)
    let set = try DetectionCheck.open(spec, decoder: ImageDecoder(), workers: 1)
    #expect(set.hasMasks && set.objectCount == 1)
    #expect(
      set.leftOut.lines() == [
        "1 mask whose run lengths do not add up: a.png, annotation 2",
        "1 object without a mask: a.png, annotation 1",
      ])
    let boxes = try makeCOCO(coco([goodAnnotation]), in: folder)
    #expect(try DetectionCheck.open(boxes, decoder: ImageDecoder(), workers: 1).objectCount == 1)
  }

  /// A photo whose tag turns it: annotations are for the upright picture, or for the stored one.
  @Test(arguments: [(8, 16, true), (16, 8, false)])
  func thePictureIsTurnedAsItsAnnotationsSay(width: Int, height: Int, isTurned: Bool) throws {
    let folder = try TemporaryFolder()
    let root = try makeVOC(
      [("a", vocXML([vocObject("cell", ["1", "1", "4", "4"])], width: width, height: height))], in: folder)
    try folder.write("VOC2007/JPEGImages/a.png", turnedPNG())
    let set = try DetectionDataset.open(root + ":train")
    let loader = DetectionLoader(testing: set, ResizeShortestEdge(shortSides: [8], maxSide: 100))
    let example = try #require(try loader.next()?.examples.first)
    #expect(example.width == width && example.height == height)
    // The upper left corner is bright; a quarter turn to the right brings it to the upper right.
    let corner = isTurned ? (width - 1) * 3 : 0
    #expect(example.pixels[corner] >= 200)
  }

  /// 16 × 8 pixels with the EXIF orientation 6.
  private func turnedPNG() throws -> Data {
    let png = [UInt8](try picture(width: 16, height: 8).pngData())
    let tiff: [UInt8] = [
      0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0,
    ]
    let end = 8 + 25  // signature and IHDR
    return Data(png[..<end]) + pngChunk("eXIf", tiff) + Data(png[end...])
  }
}
