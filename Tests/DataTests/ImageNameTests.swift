import Files
import Foundation
import Images
import TestSupport
import Testing
@testable import Data

@Suite("Images under any name")
struct ImageNameTests {
  @Test(arguments: ["JPG", "JPEG", "jfif", "jpe", "jpg_large", "Jfif"])
  func aJPEGIsFoundUnderAllItsEndings(_ ending: String) throws {
    let folder = try TemporaryFolder()
    for number in 0..<3 {
      try folder.write("x/\(number).\(ending)", try noise(side: 8, seed: number).jpegData())
    }
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.count == 3)
    #expect(try dataset.image(2).width == 8)
  }

  @Test func theEndingsOfEveryFormatCount() throws {
    let folder = try TemporaryFolder()
    let endings = ImageFormat.allCases.flatMap(\.extensions)
    #expect(Set(endings).count == endings.count)
    for ending in endings { try folder.write("x.\(ending)", Data([1])) }
    // A damaged image is reported, and not passed over.
    #expect(try Dataset.open(folder.path).count == endings.count)
  }

  @Test func imagesWithoutAnEndingAreFoundByTheirFirstBytes() throws {
    let folder = try TemporaryFolder()
    let png = try noise(side: 8, seed: 1).pngData()
    try folder.write("a/0", png)
    try folder.write("a/1.orig", png)
    try folder.write("a/2.jpg", png)
    try folder.write("a/notes", Data("no image".utf8))
    // Text and labels are not opened.
    try folder.write("a/3.txt", png)
    let dataset = try Dataset.open(folder.path)
    #expect((0..<dataset.count).map { dataset.name($0) } == ["a/0", "a/1.orig", "a/2.jpg"])
  }

  /// Formats by content: what the first bytes of each of their files give.
  @Test func firstBytesTellFormatsApart() throws {
    let firsts: [(String, ImageFormat?)] = [
      ("P6\n1 1 255\n", .pnm), ("P8\n1 1", nil), ("Pixels", nil), ("GIF87a", .gif), ("GIF88a", nil),
      ("BM, a story", nil), ("II*\0", .tiff), ("MM\0*", .tiff), ("II+\0", .tiff), ("II", nil), ("", nil),
    ]
    for (text, format) in firsts {
      #expect(Array(text.utf8).withUnsafeBytes { ImageFormat(sniffing: $0) } == format, "\(text)")
    }
    func box(_ brands: String) -> [UInt8] {
      [0, 0, 0, UInt8(8 + brands.utf8.count)] + Array("ftyp".utf8) + Array(brands.utf8)
    }
    #expect(box("avif\0\0\0\0mif1").withUnsafeBytes { ImageFormat(sniffing: $0) } == .avif)
    #expect(box("mif1\0\0\0\0miafavif").withUnsafeBytes { ImageFormat(sniffing: $0) } == .avif)
    #expect(box("heic\0\0\0\0mif1heic").withUnsafeBytes { ImageFormat(sniffing: $0) } == nil)
    // The version between the brands is none.
    #expect(box("heicavif").withUnsafeBytes { ImageFormat(sniffing: $0) } == nil)
  }

  // MARK: - Bytes that are no UTF-8

  /// Writes a file or makes a folder whose name, relative to `folder`, is any bytes.
  private func write(_ name: [UInt8], in folder: TemporaryFolder, _ data: Data?) throws {
    let path = (Array(folder.path.utf8) + [UInt8(ascii: "/")] + name).map { CChar(bitPattern: $0) } + [0]
    guard let data else {
      try #require(mkdir(path, 0o700) == 0)
      return
    }
    let file = open(path, O_CREAT | O_WRONLY, 0o600)
    try #require(file >= 0)
    defer { close(file) }
    #expect(data.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) } == data.count)
  }

  private let latin = Array("lat".utf8) + [0xE9] + Array("in".utf8)

  @Test func latin1NamesOfFilesAndClassesAreRead() throws {
    let folder = try TemporaryFolder()
    let png = try noise(side: 8, seed: 1).pngData()
    try folder.write("a/plain.png", png)
    try write(Array("a/".utf8) + latin + Array(".png".utf8), in: folder, png)
    try write(latin, in: folder, nil)
    try write(latin + Array("/0.png".utf8), in: folder, png)
    try write(latin + Array("/bare".utf8), in: folder, png)
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.classNames == ["a", "lat\\xE9in"])
    #expect(
      (0..<dataset.count).map { dataset.name($0) } == [
        "a/lat\\xE9in.png", "a/plain.png", "lat\\xE9in/0.png", "lat\\xE9in/bare",
      ])
    for index in 0..<dataset.count { #expect(try dataset.image(index).width == 8) }
    var verdicts: [DecodeVerdict] = []
    try DatasetCheck(dataset, workers: 1).run { verdicts.append($0.verdict) }
    #expect(verdicts == Array(repeating: .ok, count: 4))
  }

  @Test func listsMayHoldSuchNames() throws {
    let folder = try TemporaryFolder()
    let png = try noise(side: 8, seed: 1).pngData()
    try write(latin, in: folder, png)
    try folder.write("b.png", png)
    try folder.write("list.txt", Data(latin + Array("\nb.png\n".utf8)))
    let dataset = try Dataset.open(folder.path + "/list.txt")
    #expect((0..<2).map { dataset.name($0) } == ["b.png", "lat\\xE9in"])
    for index in 0..<2 { #expect(try dataset.image(index).width == 8) }
  }
}
