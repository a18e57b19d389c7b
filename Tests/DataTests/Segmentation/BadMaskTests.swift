import Data
import Foundation
import Images
import Testing

/// None of these reaches training: a set is refused, or images and masks are left out, counted and listed.
@Suite struct BadMaskTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  // MARK: - Found when a set is opened

  @Test func anImageWithoutAMaskIsLeftOut() throws {
    let spec = try folder.makePairs()
    try folder.picture("images/d.png", width: 8, height: 6)
    let set = try SegmentationDataset.open(spec)
    #expect(set.count == 3 && set.leftOut[.withoutMaskFile] == 1 && set.leftOut.isLoss)
    #expect(set.leftOut.lines() == ["1 image without a mask: \(folder.path)/images/d.png"])
  }

  @Test func aMaskWithoutAnImageIsLeftOut() throws {
    let spec = try folder.makePairs()
    try folder.mask("masks/d.png")
    let set = try SegmentationDataset.open(spec)
    #expect(set.count == 3 && set.leftOut[.maskWithoutImage] == 1)
    #expect(set.leftOut.lines() == ["1 mask without an image: \(folder.path)/masks/d.png"])
  }

  /// As Penn-Fudan is distributed.
  @Test func masksOfOtherNamesAreNamedWithTheWantedOne() throws {
    let spec = try folder.makePairs(0)
    for name in ["b", "a"] {
      try folder.picture("images/\(name).png", width: 8, height: 6)
      try folder.mask("masks/\(name)_mask.png")
    }
    #expect(
      segmentationFailure(spec, in: folder)
        == "none of the 2 masks of FOLDER/masks has the name of an image of FOLDER/images: the mask of a.png is to be a.png, "
        + "and the first mask is a_mask.png. Rename the masks")
    // One that fits is no accident; the others are listed.
    try folder.mask("masks/a.png")
    #expect(
      try SegmentationCheck.open(spec, decoder: ImageDecoder(), workers: 1).leftOut[.maskWithoutImage] == 2)
  }

  @Test func foldersOfClassesAreNoFolderOfImages() throws {
    let spec = try folder.makePairs(0)
    try folder.mask("masks/a.png")
    for name in ["cat", "dog"] { try folder.picture("images/\(name)/a.png", width: 8, height: 6) }
    #expect(
      segmentationFailure(spec, in: folder)
        == "FOLDER/images has no image itself, but folders: cat/, dog/. Images of images/@masks/ lie in one folder; join "
        + "several with +, as FOLDER/images/cat@MASKS+…")
  }

  /// A folder of other masks would leave nearly nothing.
  @Test func manyImagesWithoutAMaskStop() throws {
    let spec = try folder.makePairs(1)
    for name in ["x", "y"] { try folder.picture("images/\(name).png", width: 8, height: 6) }
    #expect(
      segmentationFailure(spec, in: folder)
        == "2 of 3 images of FOLDER/images/@FOLDER/masks/ cannot be used, more than 50%: 2 images without a mask: "
        + "FOLDER/images/x.png; FOLDER/images/y.png; correct the annotations, or allow more with --max-left-out"
    )
  }

  @Test func aJPEGAmongTheMasksIsRefusedByName() throws {
    let spec = try folder.makePairs()
    try folder.write("masks/b.jpg", picture(width: 8, height: 6).jpegData())
    #expect(
      segmentationFailure(spec, in: folder)
        == "FOLDER/masks/b.jpg is a JPEG, whose compression changes the numbers of pixels; save the masks as PNG, gray or "
        + "with a palette, from the program that made them")
  }

  @Test func twoFilesOfOneStemAreRefused() throws {
    let spec = try folder.makePairs()
    try folder.write("images/b.jpg", picture(width: 8, height: 6).jpegData())
    #expect(
      segmentationFailure(spec, in: folder)
        == "FOLDER/images/b.png and FOLDER/images/b.jpg have one mask between them; keep one of them")
    let other = try TemporaryFolder()
    let more = try other.makePairs()
    try other.write("masks/b.bmp")
    #expect(
      segmentationFailure(more, in: other)
        == "FOLDER/masks/b.png and FOLDER/masks/b.bmp are masks of one image; keep one of them")
  }

  @Test func coloursWithoutAListAreRefused() throws {
    let spec = try folder.makePairs()
    for name in ["a", "b", "c"] { try folder.picture("masks/\(name).png", width: 8, height: 6) }
    #expect(
      segmentationFailure(spec, in: folder)
        == "FOLDER/masks/a.png: it has colours, and not a number for each pixel; save it as PNG, gray or with a palette, or "
        + "give each class its colour in classes.txt, as `name r g b`")
  }

  @Test func grayMasksOfColouredClassesAreRefused() throws {
    let spec = try folder.makePairs(classes: "ground 0 0 0\ntree 128 0 0\n")
    #expect(
      segmentationFailure(spec, in: folder)
        == "FOLDER/masks/a.png: it is gray, and FOLDER/masks/classes.txt gives the classes colours; save it in colours, or "
        + "take the colours out of the list")
  }

  // MARK: - Found when masks are read

  @Test func aMaskOfAnotherSizeThanItsImage() throws {
    let spec = try folder.makePairs()
    try folder.mask("masks/b.png", mask(width: 6, height: 8))
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/images/b.png: cannot be read: it has 8 × 6 pixels, and its mask has 6 × 8"
      ])
  }

  @Test(arguments: [false, true])
  func aNumberBeyondTheClasses(hasPalette: Bool) throws {
    let spec = try folder.makePairs()
    try folder.mask(
      "masks/b.png", mask([0, 1, 0, 2, 255]), colors: hasPalette ? ClassColors.voc : [])
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/masks/b.png: it has the number 2 at row 0, column 3; the classes are 0 to 1, and 255 is ignored"
      ])
  }

  @Test func aNumberBeyond255() throws {
    let spec = try folder.makePairs(2)
    try folder.write(
      "masks/b.png", grayPNG((0..<48).map { $0 == 9 ? 256 : 1 }, width: 8, height: 6))
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/masks/b.png: this PNG image has no labels (it has the number 256 at row 1, column 1, and the largest is "
          + "255); save labels as PNG, gray or with a palette"
      ])
  }

  /// A drawing program that orders its palette anew would exchange classes.
  @Test func aPaletteThatGivesAClassAnotherColour() throws {
    let spec = try folder.makePairs()
    for name in ["a", "c"] { try folder.mask("masks/\(name).png", colors: twoColors) }
    try folder.mask("masks/b.png", colors: [twoColors[1], twoColors[0]])
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/masks/b.png: its palette gives 0 the colour 128 0 0, and that of FOLDER/masks/a.png gives it 0 0 0: two "
          + "colours of one class; save the masks with one palette"
      ])
  }

  /// Colours that no pixel has, and grays of a palette that was never set, say nothing.
  @Test func palettesAreComparedWhereTheyAreUsed() throws {
    let spec = try folder.makePairs()
    try folder.mask("masks/a.png", colors: twoColors)
    try folder.mask("masks/b.png", colors: twoColors + [SIMD3(5, 5, 5)])
    try folder.mask("masks/c.png", colors: (0..<256).map { SIMD3(repeating: UInt8($0)) })
    #expect(try faults(spec, in: folder).isEmpty)
  }

  @Test func aMaskWithoutAClassIsNotTrainedOn() throws {
    let spec = try folder.makePairs()
    try folder.mask("masks/b.png", mask([255]))
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/masks/b.png: none of its pixels has a class; all are ignored"
      ])
    // A test takes it: no pixel of it counts.
    #expect(try SegmentationDataset.open(spec).example(1).labels.counts[255] == 48)
  }

  @Test func aFileThatIsNoPicture() throws {
    let spec = try folder.makePairs()
    try folder.text("masks/b.png", "no picture")
    let found = try faults(spec, in: folder)
    #expect(found.count == 1 && found[0].hasPrefix("FOLDER/masks/b.png: not a JPEG"))
  }

  // MARK: - Colours

  private func colored(_ colors: [SIMD3<UInt8>]) -> RGBImage {
    RGBImage(
      width: 8, height: 6,
      pixels: (0..<48).flatMap { place in
        let color = colors[place % colors.count]
        return [color.x, color.y, color.z]
      })
  }

  private let list = "ground 10 20 30\ntree 0 200 0\nignored 255 255 255\n"
  private let ground = SIMD3<UInt8>(10, 20, 30)
  private let tree = SIMD3<UInt8>(0, 200, 0)
  private let white = SIMD3<UInt8>(255, 255, 255)

  @Test func coloursOfTheListAreClasses() throws {
    let spec = try folder.makePairs(classes: list)
    try folder.write("masks/a.png", colored([ground, tree, white]).pngData())
    // The same by a palette in another order.
    try folder.mask("masks/b.png", mask([2, 0, 1]), colors: [tree, white, ground])
    try folder.write("masks/c.png", colored([tree]).pngData())
    let set = try SegmentationDataset.open(spec)
    #expect(set.classNames == ["ground", "tree"] && set.palette == [ground, tree])
    #expect(try set.labels(0) == mask([0, 1, 255]))
    #expect(try set.labels(1) == mask([0, 1, 255]))
    #expect(try set.labels(2) == mask([1]))
  }

  @Test func aColourThatTheListDoesNotHave() throws {
    let spec = try folder.makePairs(2, classes: list)
    try folder.write("masks/a.png", colored([ground, tree]).pngData())
    try folder.write("masks/b.png", colored([ground, SIMD3(10, 20, 31)]).pngData())
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/masks/b.png: it has the colour 10 20 31 at row 0, column 1, which FOLDER/masks/classes.txt does not list"
      ])
  }

  @Test func twoPlacesOfAPaletteWithOneColour() throws {
    let spec = try folder.makePairs(2, classes: list)
    try folder.write("masks/a.png", colored([ground, tree]).pngData())
    try folder.mask("masks/b.png", mask([0, 1, 2]), colors: [ground, tree, tree])
    #expect(
      try faults(spec, in: folder) == [
        "FOLDER/masks/b.png: its palette gives 1 and 2 the same colour 0 200 0, so that its classes cannot be kept apart "
          + "by colour; save it again in colours of the list"
      ])
    // Places that no pixel has do not matter: programs fill palettes up.
    try folder.mask("masks/b.png", mask([0, 1]), colors: [ground, tree, tree, tree])
    #expect(try faults(spec, in: folder).isEmpty)
  }
}
