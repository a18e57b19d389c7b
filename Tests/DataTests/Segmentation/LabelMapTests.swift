import Data
import Foundation
import Images
import Testing

@Suite struct LabelMapTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func failure(_ data: Data) throws -> String {
    let path = try folder.write("mask.png", data)
    do {
      _ = try LabelMap.read(path)
      return "none"
    } catch { return "\(error)".replacing(folder.path, with: "FOLDER") }
  }

  /// Indices of 1, 2, 4 and 8 bits, gray of 1, 8 and 16, an interlaced one, and all filters of rows. Oracle: Pillow; see
  /// make_segmentation.py.
  @Test func numbersAreReadAsTheyAreStored() throws {
    let masks = try SegmentationFixtures.read().masks
    #expect(masks.count == 10)
    for test in masks {
      let map = try LabelMap.read(folder.write("mask.png", test.png))
      #expect(map.height == test.height && map.width == test.width, "\(test.name)")
      #expect(map.labels == Array(test.labels), "\(test.name)")
    }
  }

  @Test(arguments: [0, 2, 256])
  func aMapComesBackFromItsFile(colors: Int) throws {
    let numbers: [UInt8] = colors == 2 ? [0, 1] : [0, 1, 20, 255]
    let map = mask(numbers, width: 5, height: 7)
    let path = try folder.mask("a.png", map, colors: Array(ClassColors.voc.prefix(colors)))
    #expect(try LabelMap.read(path) == map)
    guard colors > 0 else { return }
    // With a palette it is a picture too.
    let picture = try ImageDecoder().decode(contentsOf: path)
    #expect(picture[1, 0].red == 128 && picture[1, 0].green == 0 && picture[1, 0].blue == 0)
  }

  @Test func numbersAbove255AreNoLabels() throws {
    let text = try failure(grayPNG([0, 7, 300, 1, 2, 3], width: 3, height: 2))
    #expect(
      text
        == "FOLDER/mask.png: this PNG image has no labels (it has the number 300 at row 0, column 2, and the largest "
        + "is 255); save labels as PNG, gray or with a palette")
  }

  @Test func coloursAreNoLabels() throws {
    #expect(
      try failure(picture(width: 4, height: 4).pngData())
        == "FOLDER/mask.png: this PNG image has no labels (it has colours, and not a number for each pixel); save labels "
        + "as PNG, gray or with a palette")
  }

  /// Also where its name says otherwise.
  @Test func aJPEGHasNoLabels() throws {
    #expect(
      try failure(picture(width: 16, height: 16).jpegData(quality: 95))
        == "FOLDER/mask.png: this JPEG image has no labels (the compression of JPEG changes the numbers of pixels); save "
        + "labels as PNG, gray or with a palette")
  }

  /// A header of 60,000 × 60,000 pixels in a file of a hundred bytes.
  @Test func aHugeMaskTakesNoMemory() throws {
    var png = [UInt8](try mask().pngData())
    // Behind the signature: length, name, content and checksum of the header.
    png.replaceSubrange(
      8..<33, with: pngChunk("IHDR", [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60, 8, 0, 0, 0, 0]))
    #expect(try reason(Data(png)) == .tooManyPixels(width: 60_000, height: 60_000, limit: 100_000_000))
  }

  private func reason(_ data: Data) throws -> ImageError? {
    do {
      _ = try LabelMap.read(folder.write("mask.png", data))
      return nil
    } catch let error as ImageError { return error.reason }
  }

  /// The first of VOC's colours, as its devkit has them, and those of its last class and of its border.
  @Test func coloursOfClassesAreThoseOfVOC() {
    let known: [(Int, SIMD3<UInt8>)] = [
      (0, SIMD3(0, 0, 0)), (1, SIMD3(128, 0, 0)), (2, SIMD3(0, 128, 0)), (3, SIMD3(128, 128, 0)),
      (4, SIMD3(0, 0, 128)), (8, SIMD3(64, 0, 0)), (15, SIMD3(192, 128, 128)), (20, SIMD3(0, 64, 128)),
      (255, SIMD3(224, 224, 192)),
    ]
    for (number, color) in known { #expect(ClassColors.voc[number] == color, "\(number)") }
    #expect(Set(ClassColors.voc).count == 256)
  }
}
