import Data
import Foundation
import Images
import Testing
import Torch

@Suite struct CityscapesSetTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Numbers of a 4 × 6 picture: a car of two parts, a group of persons, road, a bus of one pixel.
  private static let numbers: [UInt16] = [
    7, 7, 26001, 26001, 7, 24,
    7, 7, 26001, 7, 7, 24,
    7, 7, 7, 7, 7, 24,
    28000, 7, 7, 7, 26001, 24,
  ]

  private func makeSet(_ truth: Data) throws -> String {
    try folder.picture("leftImg8bit/val/bonn/bonn_1_leftImg8bit.png", width: 6, height: 4)
    try folder.write("gtFine/val/bonn/bonn_1_gtFine_instanceIds.png", truth)
    return folder.path + "/:val"
  }

  @Test func instancesBecomeObjects() throws {
    let spec = try makeSet(grayPNG(Self.numbers, width: 6, height: 4))
    let set = try DetectionDataset.open(spec, DetectionOptions(use: .testing, masks: true))
    #expect(set.kind == .cityscapes && set.categoryIDs == [24, 25, 26, 27, 28, 31, 32, 33])
    #expect(set.images[0].width == 6 && set.images[0].height == 4 && set.images[0].name == "bonn/bonn_1")
    let objects = set.objects(0)
    #expect(objects.map { set.classNames[$0.classIndex] } == ["person", "car", "bus"])
    #expect(objects.map(\.isCrowd) == [true, false, false])
    #expect(objects.map(\.area) == [4, 4, 1])
    #expect(objects[1].box == BoundingBox(x0: 2, y0: 0, x1: 5, y1: 4))
    guard case .runLengths(let mask) = objects[1].mask else {
      Issue.record("no run lengths")
      return
    }
    #expect(mask.bitmap() == Self.numbers.map { $0 == 26001 ? 1 : 0 })
  }

  @Test func groupsDoNotTrain() throws {
    let set = try DetectionDataset.open(try makeSet(grayPNG(Self.numbers, width: 6, height: 4)))
    #expect(set.objectCount == 2 && set.leftOut[.crowd] == 1 && set.objects(0)[0].mask == nil)
  }

  @Test func aPictureOfColoursIsNoTruth() throws {
    let spec = try makeSet(picture(width: 6, height: 4).pngData())
    let path = folder.path + "/gtFine/val/bonn/bonn_1_gtFine_instanceIds.png"
    do {
      _ = try DetectionDataset.open(spec)
      Issue.record("colours were read")
    } catch {
      #expect("\(error)".contains("it has colours, and not a number for each pixel"))
      _ = path
    }
  }

  @Test func splitsThatAreNotThereAreListed() throws {
    _ = try makeSet(grayPNG(Self.numbers, width: 6, height: 4))
    #expect(throws: DatasetError.badFile(reason: "\(folder.path) has no split `train`; it has val.")) {
      try DetectionDataset.open(folder.path + "/:train")
    }
  }
}

/// A PNG of 16-bit gray without compression: zlib's stored block.
func grayPNG(_ numbers: [UInt16], width: Int, height: Int) -> Data {
  var raw: [UInt8] = []
  for y in 0..<height {
    raw.append(0)
    for x in 0..<width { raw += bigEndian(numbers[y * width + x]) }
  }
  var (a, b) = (UInt32(1), UInt32(0))
  for byte in raw { (a, b) = ((a + UInt32(byte)) % 65521, (b + (a + UInt32(byte)) % 65521) % 65521) }
  let length = UInt16(raw.count)
  var zlib: [UInt8] = [0x78, 0x01, 1]
  zlib += bigEndian(length).reversed() + bigEndian(~length).reversed() + raw + bigEndian(b << 16 | a)
  let header = bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [16, 0, 0, 0, 0]
  return Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) + pngChunk("IHDR", header)
    + pngChunk("IDAT", zlib)
    + pngChunk("IEND", [])
}

func pngChunk(_ name: String, _ content: [UInt8]) -> Data {
  let named = Array(name.utf8) + content
  var crc = UInt32.max
  for byte in named {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
  return Data(bigEndian(UInt32(content.count)) + named + bigEndian(~crc))
}

private func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: number.bigEndian) { Array($0) }
}
