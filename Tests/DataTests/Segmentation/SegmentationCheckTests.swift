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
