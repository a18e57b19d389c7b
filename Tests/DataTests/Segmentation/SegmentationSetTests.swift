import Data
import Foundation
import Images
import Testing

@Suite struct SegmentationSetTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  // MARK: - VOC

  /// A year of VOC with images of one list.
  private func makeVOC(_ names: [String], year: String = "VOC2012", list: String = "train") throws -> String {
    let root = "VOCdevkit/\(year)"
    for (place, name) in names.enumerated() {
      try folder.picture("\(root)/JPEGImages/\(name).png", width: 8, height: 6, seed: place)
      try folder.mask(
        "\(root)/SegmentationClass/\(name).png", mask([0, 15, 20, 255]), colors: ClassColors.voc)
    }
    try folder.text("\(root)/ImageSets/Segmentation/\(list).txt", names.joined(separator: "\n") + "\n")
    return "\(folder.path)/\(root)"
  }

  /// The palette's places are the classes; its colours are for people.
  @Test func vocsMasksAreThePlacesOfTheirPalette() throws {
    let set = try SegmentationDataset.open(makeVOC(["b", "a"]) + ":train")
    #expect(set.kind == .voc && set.images.map(\.name) == ["b", "a"])
    #expect(set.summary == "2 images, 21 classes, VOC")
    #expect(
      set.classNames[0] == "background" && set.classNames[15] == "person" && set.classNames[20] == "tvmonitor"
    )
    #expect(set.palette[15] == SIMD3(192, 128, 128))
    let example = try set.example(0)
    #expect(example.labels == mask([0, 15, 20, 255]))
    #expect(
      example.height == 6 && example.width == 8
        && example.pixels == picture(width: 8, height: 6, seed: 0).pixels)
  }

  @Test func yearsAreJoined() throws {
    let (old, new) = (try makeVOC(["a"], year: "VOC2007"), try makeVOC(["b", "c"]))
    #expect(try SegmentationDataset.open("\(old):train+\(new):train").images.map(\.name) == ["a", "b", "c"])
    let all = try SegmentationDataset.open("\(folder.path)/VOCdevkit:train")
    #expect(all.images.map(\.name) == ["a", "b", "c"])
  }

  /// The larger set's masks have a folder of their own, are gray, and some lists have paths.
  @Test func theLargerSetsMasksAreFoundToo() throws {
    let root = try makeVOC(["a"])
    try folder.picture("VOCdevkit/VOC2012/JPEGImages/b.png", width: 8, height: 6)
    try folder.mask("VOCdevkit/VOC2012/SegmentationClassAug/b.png", mask([3]))
    try folder.text(
      "VOCdevkit/VOC2012/ImageSets/Segmentation/train_aug.txt",
      "/JPEGImages/a.jpg /SegmentationClassAug/a.png\n/JPEGImages/b.jpg /SegmentationClassAug/b.png\n")
    let set = try SegmentationDataset.open(root + ":train_aug")
    #expect(set.images.map(\.name) == ["a", "b"])
    #expect(try set.labels(1) == mask([3]))
  }

  @Test func listsOfDetectionAreNotThoseOfSegmentation() throws {
    let root = try makeVOC(["a"])
    try folder.text("VOCdevkit/VOC2012/ImageSets/Main/trainval.txt", "a\n")
    #expect(
      segmentationFailure(root + ":trainval", in: folder).hasPrefix(
        "FOLDER/VOCdevkit/VOC2012 has no split `trainval`; it has train."))
    try folder.makeFolder("other/ImageSets/Main")
    #expect(
      segmentationFailure(folder.path + "/other:train", in: folder).hasPrefix(
        "FOLDER/other is no segmentation set: it holds neither ImageSets/Segmentation (VOC) nor leftImg8bit (Cityscapes); "
          + "write VOC2012:train, cityscapes/:train, folders as images/@masks/"))
  }

  // MARK: - Cityscapes

  private func makeCityscapes(_ names: [String], _ numbers: [UInt8], ending: String) throws -> String {
    for name in names {
      try folder.picture("leftImg8bit/val/bonn/\(name)_leftImg8bit.png", width: 8, height: 6)
      try folder.mask("gtFine/val/bonn/\(name)_gtFine_\(ending).png", mask(numbers))
    }
    return folder.path + "/:val"
  }

  /// Road is 7 and 0, car 26 and 13, bicycle 33 and 18; parking and what is unlabeled count nowhere.
  @Test func labelIDsBecomeTrainIDs() throws {
    let spec = try makeCityscapes(["a"], [7, 26, 33, 9, 0], ending: "labelIds")
    let set = try SegmentationDataset.open(spec)
    #expect(set.kind == .cityscapes && set.classNames.count == 19 && set.images[0].name == "bonn/a")
    #expect(set.classNames[0] == "road" && set.classNames[13] == "car" && set.classNames[18] == "bicycle")
    #expect(try set.labels(0) == mask([0, 13, 18, 255, 255]))
    #expect([0, 13, 18, 255].map(set.fileNumber) == [7, 26, 33, 255])
  }

  @Test func trainIDsAreTakenAsTheyAre() throws {
    let set = try SegmentationDataset.open(makeCityscapes(["a"], [0, 13, 255], ending: "labelTrainIds"))
    #expect(try set.labels(0) == mask([0, 13, 255]))
  }

  /// A mixture would train on two meanings of a number.
  @Test func twoNumberingsAreNotMixed() throws {
    _ = try makeCityscapes(["a"], [7], ending: "labelIds")
    let spec = try makeCityscapes(["b"], [0], ending: "labelTrainIds")
    #expect(
      segmentationFailure(spec, in: folder)
        == "FOLDER has masks of label ids, but of bonn/b only one of train ids; make all masks with one numbering"
    )
  }

  @Test func aNumberingUnderTheOthersNameIsFound() throws {
    let ids = try makeCityscapes(["a"], [0, 13, 255], ending: "labelIds")
    #expect(
      try faults(ids, in: folder) == [
        "FOLDER/gtFine/val/bonn/a_gtFine_labelIds.png: it has the number 255 at row 0, column 2; label ids are 0 to 33. "
          + "If these are train ids, the files' names end in _gtFine_labelTrainIds.png"
      ])
    let other = try TemporaryFolder()
    try other.picture("leftImg8bit/val/bonn/a_leftImg8bit.png", width: 8, height: 6)
    try other.mask("gtFine/val/bonn/a_gtFine_labelTrainIds.png", mask([7, 26]))
    #expect(
      try faults(other.path + "/:val", in: other) == [
        "FOLDER/gtFine/val/bonn/a_gtFine_labelTrainIds.png: it has the number 26 at row 0, column 1; train ids are 0 to "
          + "18, and 255 is ignored. If these are label ids, the files' names end in _gtFine_labelIds.png"
      ])
  }

  // MARK: - Folders

  @Test func imagesAndMasksOfOneStemBelongTogether() throws {
    let set = try SegmentationDataset.open(folder.makePairs())
    #expect(set.kind == .folder && set.classNames == ["ground", "tree"] && set.count == 3)
    #expect(set.images.map(\.name) == ["a", "b", "c"] && set.leftOut.isEmpty)
    #expect(try set.labels(2) == mask())
    #expect(set.palette == Array(ClassColors.voc.prefix(2)))
  }

  @Test func thePaletteGivesTheColoursOfClasses() throws {
    let spec = try folder.makePairs(1)
    let colors: [SIMD3<UInt8>] = [SIMD3(9, 8, 7), SIMD3(1, 200, 3)]
    try folder.mask("masks/a.png", colors: colors)
    #expect(try SegmentationDataset.open(spec).palette == colors)
  }

  @Test func aTestTakesTheClassesOfItsTrainingSet() throws {
    let train = try SegmentationDataset.open(folder.makePairs())
    let other = try TemporaryFolder()
    let spec = try other.makePairs(2, classes: nil)
    #expect(
      segmentationFailure(spec, in: other)
        == "FOLDER/masks has no classes.txt; write one there with a class a line, in the order of the masks' numbers, the "
        + "background too")
    #expect(try SegmentationDataset.open(spec, .testing(like: train)).classNames == train.classNames)
    try other.text("masks/classes.txt", "tree\nground\n")
    #expect(
      segmentationFailure(spec, in: other, .testing(like: train))
        == "\(spec) has other classes than the training set: tree, ground; the training set has ground, tree. Give it the "
        .replacing(other.path, with: "FOLDER") + "same list")
  }

  @Test func foldersAreJoined() throws {
    let spec = try folder.makePairs(2)
    let other = try TemporaryFolder()
    let more = try other.makePairs(1)
    #expect(try SegmentationDataset.open("\(spec)+\(more)").count == 3)
    try other.text("masks/classes.txt", "ground\nhouse\n")
    #expect(
      segmentationFailure("\(spec)+\(more)", in: other).contains(
        "have different classes: ground, tree; ground, house. Join sets of the same classes"))
    let voc = try makeVOC(["a"]) + ":train"
    #expect(
      segmentationFailure("\(spec)+\(voc)", in: folder).hasSuffix(
        "joins sets of different kinds; + joins VOC with VOC, folders with folders"))
  }

  @Test func theFingerprintFollowsFromNamesAndClasses() throws {
    let spec = try folder.makePairs()
    let first = try SegmentationDataset.open(spec).fingerprint
    #expect(try SegmentationDataset.open(spec).fingerprint == first)
    #expect(try SegmentationDataset.open(spec).subset([0, 1]).fingerprint != first)
    try folder.text("masks/classes.txt", "ground\nhouse\n")
    #expect(try SegmentationDataset.open(spec).fingerprint != first)
  }
}
