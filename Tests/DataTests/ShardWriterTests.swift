import Foundation
import Images
import Testing
@testable import Data

@Suite struct ShardWriting {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for (index, name) in ["cat/a.png", "cat/b c.png", "dog/x.1.png", "größe/y.png", "dog/z.png", "cat/w.png"]
      .enumerated()
    {
      try folder.image("data/" + name, side: 9 + index, seed: index)
    }
  }

  private var data: String { folder.path + "/data" }

  private func failure(_ writer: ShardWriter = ShardWriter(), out: String) -> String {
    do {
      return "\(try writer.pack(data, out: folder.path + "/" + out).shards.count) shards"
    } catch { return "\(error)".replacingOccurrences(of: folder.path, with: "F") }
  }

  @Test func whatWasPackedComesBackBitForBit() throws {
    let summary = try ShardWriter(shardImages: 4).pack(data, out: folder.path + "/s-{000..N}.tar")
    #expect(summary.images == 6 && summary.bad == [])
    #expect(summary.shards == ["\(folder.path)/s-000.tar", "\(folder.path)/s-001.tar"])
    let original = try Dataset.open(data)
    let samples = ShardSamples(try ShardIndex(summary.shards.map { .file($0) }, cache: nil))
    #expect(samples.index.counts == [3, 3])
    #expect(samples.index.classNames == original.classNames)
    var seen: Set<Int> = []
    for sample in 0..<6 {
      let name = samples.name(sample)
      let number = try #require(Int(name.split(separator: "/")[2].dropLast(4)))
      seen.insert(number)
      #expect(samples.annotation(sample).classIndex == original.label(number))
      let file = try Data(contentsOf: URL(fileURLWithPath: data + "/" + original.name(number)))
      #expect(Data(try samples.bytes(sample)) == file)
      #expect(try Dataset(samples, format: "tar shards").image(sample) == original.image(number))
    }
    #expect(seen == Set(0..<6))
    #expect(
      !(try FileManager.default.contentsOfDirectory(atPath: folder.path)).contains {
        $0.hasSuffix(".partial")
      })
  }

  /// GNU tar knows the format, the owner and the time.
  @Test func otherProgramsReadIt() throws {
    _ = try ShardWriter().pack(data, out: folder.path + "/s.tar")
    let lines = String(
      decoding: try shell("TZ=UTC LC_ALL=C.UTF-8 tar -tvf '\(folder.path)/s.tar' --quoting-style=literal"),
      as: UTF8.self
    ).split(separator: "\n")
    #expect(lines.count == 12)
    #expect(
      lines.allSatisfy { $0.hasPrefix("-rw-r--r-- 0/0 ") && $0.contains(" 1970-01-01 00:00 ") }, "\(lines)")
    let names = lines.map { $0.split(separator: " ").last ?? "" }
    #expect(names.contains("größe/000000005.png") && names.contains("größe/000000005.cls"))
    #expect(try shell("tar -xOf '\(folder.path)/s.tar' dog/000000003.cls") == Data("1".utf8))
  }

  @Test func theSameImagesGiveTheSameBytes() throws {
    for (name, resize) in [("a", nil), ("b", 6)] as [(String, Int?)] {
      for (copy, threads) in [("1", 1), ("2", 3)] {
        _ = try ShardWriter(resize: resize, threads: threads).pack(
          data, out: folder.path + "/\(name)\(copy)-{0..1}.tar")
      }
      for shard in 0...1 {
        let (one, two) = ("\(folder.path)/\(name)1-\(shard).tar", "\(folder.path)/\(name)2-\(shard).tar")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: one))
        #expect(bytes.count > 1024)
        #expect(bytes == (try Data(contentsOf: URL(fileURLWithPath: two))))
      }
    }
  }

  /// An image of 30 × 20 becomes 15 × 10, one of 10 × 12 stays as it is.
  @Test func resizingShrinksTheShortSide() throws {
    let folder = try TemporaryFolder()
    let wide = RGBImage(width: 30, height: 20, pixels: (0..<1800).map { UInt8($0 / 60 * 8) })
    let small = RGBImage(width: 10, height: 12, pixels: [UInt8](repeating: 9, count: 360))
    try folder.write("data/a.png", wide.pngData())
    try folder.write("data/b.png", small.pngData())
    _ = try ShardWriter(resize: 10).pack(folder.path + "/data", out: folder.path + "/s.tar")
    let samples = ShardSamples(try ShardIndex([.file(folder.path + "/s.tar")], cache: nil))
    let images = Dictionary(
      uniqueKeysWithValues: try (0..<2).map {
        (samples.name($0), try Dataset(samples, format: "tar shards").image($0))
      })
    #expect(images["s.tar/000000001.png"] == small)
    let shrunk = try #require(images["s.tar/000000000.jpg"])
    #expect(shrunk.width == 15 && shrunk.height == 10)
    // A ramp stays a ramp: the mean of the two rows that fall together, off by what a JPEG of quality 90 costs.
    let expected = try wide.resized(shortSide: 10)
    #expect(zip(shrunk.pixels, expected.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 12 })
  }

  @Test func imagesInMemoryBecomePNGs() throws {
    try folder.write("idx/train-images-idx3-ubyte", idx(3, [3, 2, 2], (0..<12).map { UInt8($0) }))
    try folder.write("idx/train-labels-idx1-ubyte", idx(1, [3], [1, 0, 9]))
    _ = try ShardWriter().pack(folder.path + "/idx", out: folder.path + "/s.tar")
    let samples = ShardSamples(try ShardIndex([.file(folder.path + "/s.tar")], cache: nil))
    #expect(samples.count == 3)
    let labels = Dictionary(
      uniqueKeysWithValues: (0..<3).map { (samples.name($0), samples.annotation($0).classIndex) })
    #expect(labels == ["s.tar/1/000000000.png": 1, "s.tar/0/000000001.png": 0, "s.tar/9/000000002.png": 9])
    #expect(
      try Set((0..<3).map { try Dataset(samples, format: "tar shards").image($0).pixels[0] }) == [0, 4, 8])
  }

  @Test func shardsCanBePackedAgain() throws {
    _ = try ShardWriter().pack(data, out: folder.path + "/s-{0..2}.tar")
    let summary = try ShardWriter().pack(folder.path + "/s-{0..2}.tar", out: folder.path + "/t.tar")
    let index = try ShardIndex([.file(summary.shards[0])], cache: nil)
    #expect(index.count == 6 && index.classNames == ["cat", "dog", "größe"])
  }

  @Test func badImagesAreLeftOutAndListed() throws {
    for index in 0..<30 { try folder.image("many/\(index).png", seed: index) }
    try folder.write("many/bad.png", Data("no image".utf8))
    let summary = try ShardWriter().pack(folder.path + "/many", out: folder.path + "/m.tar")
    #expect(summary.images == 30)
    #expect(summary.bad.map(\.name) == ["bad.png"])
    try folder.write("data/dog/bad.png", Data("no image".utf8))
    #expect(
      failure(out: "s.tar").hasPrefix("1 of 7 images cannot be read, more than 5%: dog/bad.png: not a JPEG"))
    #expect(FileKind(folder.path + "/s.tar") == nil && FileKind(folder.path + "/s.tar.partial") == nil)
  }

  @Test func whatCannotBeWrittenIsSaidFirst() throws {
    #expect(
      failure(out: "s-{0..9}.tar")
        == "F/s-{0..9}.tar: 10 shards are too many for 6 images; write {000..N}")
    #expect(failure(out: "s.tar.gz") == "F/s.tar.gz: shards are written plain; let the name end in .tar")
    #expect(
      failure(out: "s-{x}.tar")
        == "F/s-{x}.tar: write the numbers as {000..N}, or as {000..127} for 128 shards")
    #expect(failure(out: "no/s.tar") == "F/no/s.tar cannot be written: No such file or directory")
    #expect(failure(out: "s-{0..1}.tar") == "2 shards")
    #expect(failure(out: "s-{1..2}.tar") == "F/s-1.tar is there already; choose another name, or --overwrite")
    #expect(FileKind(folder.path + "/s-2.tar") == nil)
    #expect(failure(ShardWriter(overwrites: true), out: "s-{0..1}.tar") == "2 shards")
    try folder.image("data/\(String(repeating: "ä", count: 80))/x.png")
    #expect(failure(out: "t.tar").hasSuffix(" is longer than 155 bytes; rename its folder"))
  }
}
