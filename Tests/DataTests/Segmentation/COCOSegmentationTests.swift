import Data
import Foundation
import Images
import Testing

@Suite struct COCOSegmentationTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func rectangle(
    _ x: Int, _ y: Int, _ width: Int, _ height: Int, category: Int = 3, id: Int, image: Int = 1
  ) -> String {
    let corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return #"{"id": \#(id), "image_id": \#(image), "category_id": \#(category), "iscrowd": 0, "#
      + #""bbox": [\#(x), \#(y), \#(width), \#(height)], "segmentation": [\#(corners)]}"#
  }

  private let categories = #"{"id": 7, "name": "dog"}, {"id": 3, "name": "cell"}"#

  /// Objects are filled with their classes over the background. Where two overlap, even of one class, the pixels are
  /// ignored, as torchvision's reference conversion does it.
  @Test func objectsAreFilledAndOverlapsIgnored() throws {
    let text = coco(
      [
        rectangle(0, 0, 4, 4, id: 1), rectangle(2, 0, 4, 2, id: 2),
        rectangle(3, 3, 3, 2, category: 7, id: 3),
      ], categories: categories)
    let set = try SegmentationDataset.open(makeCOCO(text, in: folder))
    #expect(set.kind == .coco && set.classNames == ["background", "cell", "dog"])
    #expect(set.images.map(\.mask) == [nil])
    let map = try set.labels(0)
    #expect(map.height == 48 && map.width == 64)
    let rows = (0..<6).map { y in (0..<8).map { map.labels[y * 64 + $0] } }
    #expect(
      rows == [
        [1, 1, 255, 255, 1, 1, 0, 0],
        [1, 1, 255, 255, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 255, 2, 2, 0, 0],
        [0, 0, 0, 2, 2, 2, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
      ])
    #expect(map.counts[0] == 48 * 64 - 16 - 8 + 4 - 6 + 1)
  }

  /// A crowd's outline holds other things too.
  @Test func crowdsAreIgnored() throws {
    // 3 columns of 48 pixels.
    let crowd =
      #"{"id": 2, "image_id": 1, "category_id": 3, "iscrowd": 1, "bbox": [1, 0, 2, 48], "#
      + #""segmentation": {"size": [48, 64], "counts": [48, 96, 2928]}}"#
    let set = try SegmentationDataset.open(
      makeCOCO(coco([rectangle(0, 0, 2, 2, id: 1), crowd]), in: folder))
    let map = try set.labels(0)
    #expect(Array(map.labels[0..<4]) == [1, 255, 255, 0])
    #expect(map.counts[255] == 96 && map.counts[1] == 2)
  }

  @Test func imagesWithoutAnObjectDoNotTrain() throws {
    let spec = try makeCOCO(coco([rectangle(0, 0, 2, 2, id: 1)], images: 2), images: 2, in: folder)
    let train = try SegmentationDataset.open(spec)
    #expect(train.count == 1)
    #expect(train.leftOut.lines() == ["1 image without an object: image b.png"])
    let test = try SegmentationDataset.open(spec, .testing(like: train))
    #expect(test.count == 2)
    #expect(try test.labels(1).counts[0] == 48 * 64)
  }

  /// An object without a mask would be background: it is counted, and many stop.
  @Test func objectsWithoutAMaskAreCounted() throws {
    let spec = try makeCOCO(coco([rectangle(0, 0, 2, 2, id: 5), goodAnnotation]), in: folder)
    #expect(
      try SegmentationDataset.open(spec).leftOut.lines() == ["1 object without a mask: a.png, annotation 2"])
    var options = SegmentationOptions()
    options.maxLeftOut = Fraction(value: 0.2)
    #expect(
      segmentationFailure(spec, in: folder, options).hasSuffix(
        "cannot be used, more than 20%: 1 object without a mask: a.png, annotation 2; correct the annotations, or allow "
          + "more with --max-left-out"))
  }

  /// The file says 64 × 48.
  @Test func anImageOfAnotherSizeIsAFault() throws {
    let spec = try makeCOCO(coco([rectangle(0, 0, 2, 2, id: 1)]), in: folder)
    try folder.picture("images/a.png", width: 32, height: 24)
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/images/a.png: cannot be read: it has 32 × 24 pixels, and its mask has 64 × 48"
      ])
  }

  /// Sizes in a file of annotations are hostile as well.
  @Test func anImpossibleSizeTakesNoMemory() throws {
    let text = coco([]).replacing(
      #""width": 64, "height": 48"#, with: #""width": 3000000000, "height": 3000000000"#)
    let spec = try makeCOCO(text, in: folder)
    let found = try faults(spec, in: folder)
    #expect(
      found.count == 1 && found[0].hasPrefix("FOLDER/images/a.png: the image is 3000000000 x 3000000000"))
  }
}
