import Foundation
import Images
import Testing
@testable import Data

@Suite struct ShardIndexes {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func shard(_ name: String, _ members: [(String, String)]) throws -> ShardSource {
    var tar = MadeTar()
    for (member, text) in members { tar.add(member, Array(text.utf8)) }
    return .file(try folder.write(name, tar.closed))
  }

  private func index(_ sources: ShardSource...) throws -> ShardIndex { try ShardIndex(sources, cache: nil) }

  private func labels(_ index: ShardIndex) -> [Int?] { (0..<index.count).map { index.label($0) } }

  @Test func imagesAreToldByTheirEnding() throws {
    let first = try shard(
      "a.tar",
      [
        ("x/1.JPG", "1"), ("x/1.json", "{}"), ("x/2.jpeg", "2"), ("x/.3.jpg", "no"), ("x/._4.jpg", "no"),
        ("x/5.webp", "5"), ("notes.txt", ""), ("x/6.jpg.bak", ""), (".y/7.png", "7"),
      ])
    let second = try shard("b.tar", [("x/1.JPG", "8")])
    let index = try index(first, second, shard("empty.tar", [("a.txt", "")]))
    #expect(index.counts == [4, 1, 0])
    #expect(
      (0..<5).map { index.name($0) }
        == ["a.tar/x/1.JPG", "a.tar/x/2.jpeg", "a.tar/x/5.webp", "a.tar/.y/7.png", "b.tar/x/1.JPG"])
    let samples = ShardSamples(index)
    #expect(try (0..<5).map { try samples.bytes($0) } == ["1", "2", "5", "7", "8"].map { Array($0.utf8) })
    #expect((0..<5).map { index.numbering.place($0).shard } == [0, 0, 0, 0, 1])
  }

  @Test func classFilesGiveLabels() throws {
    let first = try shard(
      "a.tar", [("1.cls", "3\n"), ("1.jpg", ""), ("2.jpg", ""), ("2.cls", " 0 "), ("3.cls", "9")])
    let index = try index(first, shard("b.tar", [("1.jpg", ""), ("1.cls", "1")]))
    #expect(labels(index) == [3, 0, 1])
    #expect(index.classNames == ["0", "1", "2", "3"])
  }

  @Test func classFilesInClassFoldersGiveNamesToo() throws {
    let index = try index(
      shard("a.tar", [("cat/1.cls", "2"), ("cat/1.jpg", ""), ("ape/2.jpg", ""), ("ape/2.cls", "0")]))
    #expect(labels(index) == [2, 0])
    #expect(index.classNames == ["ape", "1", "cat"])
    // One folder with two labels names neither.
    let mixed = try self.index(
      shard("b.tar", [("cat/1.cls", "2"), ("cat/1.jpg", ""), ("cat/2.jpg", ""), ("cat/2.cls", "0")]))
    #expect(labels(mixed) == [2, 0])
    #expect(mixed.classNames == ["0", "1", "2"])
  }

  @Test func foldersGiveLabelsWhereClassFilesDoNot() throws {
    let first = try shard(
      "a.tar", [("train/dog/1.jpg", ""), ("train/dog/1.cls", "x"), ("train/Cat/2.jpg", "")])
    let second = try shard("b.tar", [("dog/3.jpg", "")])
    let both = try index(first, second)
    #expect(both.classNames == ["Cat", "dog"])
    #expect(labels(both) == [1, 0, 1])
    #expect(try index(second).classNames == [], "one folder says nothing")
    let third = try shard("c.tar", [("4.jpg", "")])
    #expect(try labels(index(first, second, third)) == [nil, nil, nil, nil])
  }

  @Test func withoutImagesThereIsNoSet() throws {
    let source = try shard("a.tar", [("a.txt", "")])
    func message(_ sources: [ShardSource]) -> String? {
      #expect(throws: ShardError.self) { try ShardIndex(sources, cache: nil) }?.description
        .replacingOccurrences(of: folder.path, with: "F")
    }
    #expect(message([source]) == "F/a.tar holds no image, only 1 .txt")
    #expect(message([source, source, source]) == "F/a.tar and 2 more shards hold no image, only 3 .txt")
  }

  @Test func progressCountsShards() throws {
    let source = try shard("a.tar", [("1.jpg", "")])
    var seen: [Int] = []
    _ = try ShardIndex(Array(repeating: source, count: 20), threads: 3, cache: nil) { seen.append($0) }
    #expect(seen == Array(1...20))
  }

  @Test func theCacheSparesReadingUntilTheShardChanges() throws {
    let cache = ShardIndexCache(folder: folder.path + "/cache")
    let source = try shard("a.tar", [("1.jpg", "abc"), ("../x.jpg", "")])
    func read() throws -> ShardIndex { try ShardIndex([source], cache: cache) }
    #expect(try read().name(0) == "a.tar/1.jpg")
    let files = try FileManager.default.contentsOfDirectory(atPath: cache.folder)
    try #require(files.count == 1)
    let entry = cache.folder + "/" + files[0]
    let text = try String(contentsOfFile: entry, encoding: .utf8)
    // What the cache says is believed …
    try text.replacingOccurrences(of: "1.jpg", with: "2.jpg").write(
      toFile: entry, atomically: true, encoding: .utf8)
    #expect(try read().name(0) == "a.tar/2.jpg")
    #expect(try read().skipped == [.parentName: 1])
    // … unless it cannot be so or cannot be read …
    for wrong in [
      text.replacingOccurrences(of: "[3]", with: "[3,4]"), text.replacingOccurrences(of: "[3]", with: "[-3]"),
      String(text.dropLast(9)), "", "[]",
    ] {
      try wrong.write(toFile: entry, atomically: true, encoding: .utf8)
      #expect(try read().name(0) == "a.tar/1.jpg")
      #expect(try String(contentsOfFile: entry, encoding: .utf8) != wrong, "mended")
    }
    // … or the shard is another one.
    _ = try shard("a.tar", [("1.jpg", "abc"), ("3.jpg", "de")])
    #expect(try read().counts == [2])
  }

  @Test func aChangedShardIsForgotten() throws {
    let cache = ShardIndexCache(folder: folder.path + "/cache")
    _ = try shard("a.tar", [("1.jpg", "abc")])
    let index = try ShardIndex([.command("cat '\(folder.path)/a.tar'")], cache: cache)
    _ = try shard("a.tar", [("2.jpg", "abc")])
    #expect(throws: ShardError.self) { try ShardSamples(index).bytes(0) }
    #expect(try ShardIndex(index.sources, cache: cache).name(0).hasSuffix("/2.jpg"))
  }

  @Test func aCacheThatCannotBeWrittenIsNoError() throws {
    let source = try shard("a.tar", [("1.jpg", "abc")])
    let cache = ShardIndexCache(folder: try folder.write("file") + "/cache")
    #expect(try ShardIndex([source], cache: cache).counts == [1])
  }

  @Test(arguments: ShardForm.allCases)
  func samplesAreReadInAnyOrder(_ form: ShardForm) throws {
    let shards = try MadeShards(form, counts: [7, 0, 12])
    let samples = ShardSamples(try shards.index())
    for sample in [18, 0, 7, 6, 11, 3] {
      #expect(try samples.bytes(sample) == shards.bytes[sample], "\(sample)")
    }
    let error = #expect(throws: ImageError.self) { try Dataset(samples, format: "tar shards").image(2) }
    #expect(
      error?.description.hasPrefix(
        samples.name(2) + ": not a JPEG, PNG, WebP, TIFF, BMP, GIF, PNM or AVIF image") == true)
  }

  @Test func aShardCutSinceIsAnError() throws {
    let shards = try MadeShards(.plain, counts: [3])
    let samples = ShardSamples(try shards.index())
    guard case .file(let path) = shards.sources[0] else { return }
    try #require(FileHandle(forUpdatingAtPath: path)).truncate(atOffset: 100)
    let error = #expect(throws: ShardError.self) { try samples.bytes(1) }
    #expect(error?.description.contains("it ends before byte") == true)
  }
}
