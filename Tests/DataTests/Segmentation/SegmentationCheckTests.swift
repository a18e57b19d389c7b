import Data
import Foundation
import Images
import Testing

@Suite struct SegmentationCheckTests {
  @Test func pixelsOfEachClassAreCounted() throws {
    let folder = try TemporaryFolder()
    let spec = try folder.makePairs(4, classes: "ground\ntree\nroad\n")
    try folder.mask("masks/b.png", mask([0, 0, 1, 255]))
    try folder.mask("masks/c.png", mask([7]))
    try folder.text("images/d.png", "no picture")
    let set = try SegmentationCheck.open(spec, decoder: ImageDecoder(), workers: 3)
    var totals = SegmentationCheck.Totals(set)
    var faults: [Int] = []
    try SegmentationCheck(set, workers: 3).run { entry in
      totals.add(entry)
      if let fault = entry.fault { faults.append(fault.sample) }
    }
    #expect(faults == [2, 3] && totals.faults.map(\.sample) == [2, 3])
    #expect(totals.classes.map(\.name) == ["ground", "tree", "road"])
    #expect(totals.classes.map(\.pixels) == [48, 36, 0])
    #expect(totals.classes.map(\.images) == [2, 2, 0])
    #expect(totals.ignored == 12 && totals.pixels == 96)
  }

  /// The pixels of the set's masks.
  private func totals(_ spec: String, _ depth: SegmentationCheck.Depth = .masks) throws
    -> SegmentationCheck.Totals
  {
    let set = try SegmentationCheck.open(spec, decoder: ImageDecoder(), workers: 1)
    var totals = SegmentationCheck.Totals(set)
    try SegmentationCheck(set, depth, workers: 2).run { totals.add($0) }
    return totals
  }

  /// The commonest masks of two classes: 255 would leave one of them out without a word.
  @Test func masksOf0And255AreWarnedOf() throws {
    let folder = try TemporaryFolder()
    let spec = try folder.makePairs(2, classes: "background\nperson\n")
    for name in ["a", "b"] { try folder.mask("masks/\(name).png", mask([0, 0, 0, 255])) }
    let found = try totals(spec)
    #expect(found.absent == ["person"] && found.images == 2)
    #expect(
      found.warning
        == "none of 2 masks has a pixel of person, and 25.0 % of the pixels have the number 255, which is ignored: neither "
        + "learned from nor tested. If 255 is meant as a class, as in masks of 0 and 255, write the class's number in its "
        + "place: 1 for person")
  }

  /// A frame of 255 is common too, and a class may be missing from a part of a set.
  @Test(arguments: [[0, 1, 255], [0], [0, 1]] as [[UInt8]])
  func whereEveryClassOccursOrNo255NothingIsWarnedOf(numbers: [UInt8]) throws {
    let folder = try TemporaryFolder()
    let spec = try folder.makePairs(1)
    try folder.mask("masks/a.png", mask(numbers))
    #expect(try totals(spec).warning == nil)
  }

  @Test func ofColoursAndKnownSetsNothingIsWarnedOf() throws {
    let folder = try TemporaryFolder()
    let spec = try folder.makePairs(1, classes: "ground 0 0 0\ntree 128 0 0\nignored 255 255 255\n")
    try folder.mask("masks/a.png", mask([0, 1]), colors: [SIMD3(0, 0, 0), SIMD3(255, 255, 255)])
    let found = try totals(spec)
    #expect(found.absent == ["tree"] && found.ignored == 24 && found.warning == nil)

    let root = "VOCdevkit/VOC2012"
    try folder.picture("\(root)/JPEGImages/a.png", width: 8, height: 6)
    try folder.mask("\(root)/SegmentationClass/a.png", mask([0, 255]), colors: ClassColors.voc)
    try folder.text("\(root)/ImageSets/Segmentation/train.txt", "a\n")
    let voc = try totals("\(folder.path)/\(root):train")
    #expect(voc.absent.count == 20 && voc.absentText.hasSuffix("car, cat, … (20)") && voc.warning == nil)
  }

  /// a is cut in its pixels, b has another size than its mask, no pixel of c has a class.
  @Test func eachDepthFindsItsFaults() throws {
    let folder = try TemporaryFolder()
    let spec = try folder.makePairs(4)
    let whole = try noise(side: 40, seed: 1).pngData()
    try folder.write("images/a.png", whole.prefix(whole.count - 400))
    try folder.mask("masks/a.png", mask([0, 1], width: 40, height: 40))
    try folder.mask("masks/b.png", mask([0, 1], width: 9, height: 6))
    try folder.mask("masks/c.png", mask([255]))
    #expect(try totals(spec, .training).faults.map(\.sample) == [0, 1, 2])
    #expect(try totals(spec, .test).faults.map(\.sample) == [1])
    #expect(try totals(spec, .masks).faults.map(\.sample) == [2])
    #expect(
      try totals(spec, .test).faults.first?.reason
        == "cannot be read: it has 8 × 6 pixels, and its mask has 9 × 6")
  }

  @Test func whatIsLeftOutDoesNotStopACheck() throws {
    let folder = try TemporaryFolder()
    let spec = try folder.makePairs(1)
    for name in ["x", "y", "z"] { try folder.picture("images/\(name).png", width: 8, height: 6) }
    let set = try SegmentationCheck.open(spec, decoder: ImageDecoder(), workers: 1)
    #expect(set.count == 1 && set.leftOut[.withoutMaskFile] == 3)
  }

  /// Folders of images and masks are known by their form.
  @Test func aPairOfFoldersIsASegmentationSet() throws {
    let folder = try TemporaryFolder()
    let spec = try folder.makePairs(1)
    #expect(AnnotatedPart.isPair(spec) && AnnotatedPart.recognizes(spec, for: .segmentation))
    #expect(!AnnotatedPart.recognizes(spec))
    #expect(
      !AnnotatedPart.isPair(folder.path + "/images") && !AnnotatedPart.isPair(folder.path + "/none@/none"))
    #expect(
      segmentationFailure(folder.path + "/images@" + folder.path + "/mask", in: folder)
        == "FOLDER/mask does not exist; check the path")
  }
}
