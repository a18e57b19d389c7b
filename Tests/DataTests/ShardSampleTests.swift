import Files
import Foundation
import Images
import Testing
@testable import Data

/// Which member is a sample's image.
@Suite struct ShardSamplesByKey {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func shard(_ members: [String], _ name: String = "a.tar") throws -> ShardSource {
    var tar = MadeTar()
    for member in members { tar.add(member, Array(member.utf8)) }
    return .file(try folder.write(name, tar.closed))
  }

  private func index(_ members: [String]..., field: String? = nil) throws -> ShardIndex {
    let sources = try members.enumerated().map { try shard($1, "\($0).tar") }
    return try ShardIndex(sources, field: field, cache: nil)
  }

  private func images(_ members: [String], field: String? = nil) throws -> [String] {
    let index = try index(members, field: field)
    return (0..<index.count).map { String(index.name($0).dropFirst("0.tar/".count)) }
  }

  private func message(_ members: [String]..., field: String? = nil) -> String? {
    do {
      let sources = try members.enumerated().map { try shard($1, "\($0).tar") }
      _ = try ShardIndex(sources, field: field, cache: nil)
      return nil
    } catch { return "\(error)".replacingOccurrences(of: folder.path, with: "F") }
  }

  /// Names as webdataset takes them apart; hidden ones it does not know as such.
  @Test func keysAndFieldsAreThoseOfWebDataset() throws {
    for entry in try MadeByWebDataset.load().names where !entry.name.contains("/.") {
      let name = SampleName(entry.name)
      #expect(name?.key == entry.parts[0], "\(entry.name)")
      #expect(name?.field == entry.parts[1]?.lowercased(), "\(entry.name)")
    }
    for hidden in ["d/.jpg", "x/._a.jpg", "__MACOSX/a.jpg", "__MACOSX/x/a.jpg", "__meta__/a.jpg"] {
      #expect(SampleName(hidden) == nil, "\(hidden)")
    }
    #expect(SampleName("d/a.b.PNG")?.stem == "d/a.b" && SampleName("d.e/a.png")?.stem == "d.e/a")
  }

  /// The samples of each shard of the fixture, and the shards that webdataset refuses.
  @Test func samplesAreGroupedAsInWebDataset() throws {
    for shard in try MadeByWebDataset.load().shards {
      let names = shard.names.compactMap { SampleName($0) }
      var samples: [MadeByWebDataset.Shard.Sample] = []
      for name in names {
        if samples.last?.key == name.key {
          samples[samples.count - 1].fields.append(name.field)
        } else {
          samples.append(.init(key: name.key, fields: [name.field]))
        }
      }
      if let expected = shard.samples {
        #expect(samples == expected, "\(shard.case)")
      } else {
        #expect(message(shard.names) != nil, "\(shard.case)")
      }
    }
  }

  @Test func aMaskIsNoImage() throws {
    let members = (0..<4).flatMap { ["\($0).depth.png", "\($0).jpg", "\($0).json", "\($0).seg.png"] }
    #expect(try images(members) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"])
    let dataset = try Dataset.open(folder.path + "/0.tar")
    #expect(
      dataset.summary == "4 images, no labels, tar shards; members passed over: 4 .depth.png, 4 .seg.png")
    #expect(!dataset.leftOut.isLoss)
    // The bytes are those of the member that was chosen.
    #expect(try ShardSamples(index(members)).bytes(2) == Array("2.jpg".utf8))
  }

  @Test func oneFieldIsChosen() throws {
    let members = (0..<3).flatMap { ["\($0).depth.png", "\($0).RGB.png", "\($0).img"] }
    #expect(try images(members, field: "rgb.png") == ["0.RGB.png", "1.RGB.png", "2.RGB.png"])
    #expect(try index(members, field: "rgb.png").otherFields == ["depth.png": 3])
    #expect(try images(members, field: "img") == ["0.img", "1.img", "2.img"])
    #expect(
      message(members)
        == "0.tar: 0.depth.png and 0.RGB.png are two images of the sample 0 (in WebDataset a sample's name ends at the first "
        + "dot); choose one, as with --image-key depth.png, or, if each is a sample of its own, give it a name of its own "
        + "before the first dot")
    #expect(
      message(members, members, field: "jpg")
        == "F/0.tar and 1 more shards hold no member .jpg, only 6 .depth.png, 6 .rgb.png; choose another --image-key, or "
        + "leave it out")
    #expect(
      message(["a.jpg", "a.png", "a.cls"])?.contains("a.jpg and a.png are two images of the sample a") == true
    )
    for (given, field) in [("jpg", "jpg"), (".RGB.png", "rgb.png"), ("", nil), (".", nil), ("a/b", nil)] {
      #expect(ImageRule.fieldName(given) == field)
    }
  }

  @Test func aSampleIsNotTakenTwice() throws {
    #expect(message(["a.jpg", "a.jpg"]) == "0.tar holds a.jpg twice; pack it again")
    #expect(message(["a.jpg", "a.JPG"]) == "0.tar holds a.jpg twice, as a.JPG; pack it again")
    // Keys end with their shard.
    #expect(try index(["a.jpg"], ["a.jpg"]).count == 2)
    #expect(message(["x/a.jpg", "y/a.jpg"]) == nil)
  }

  /// Samples whose names hold dots: each with a label of its own, or none with a part in common.
  @Test func namesWithDotsAreSamplesOfTheirOwn() throws {
    let days = (0..<3).map { "2021.03.07_\($0)" }
    #expect(try images(days.map { $0 + ".jpg" }) == days.map { $0 + ".jpg" })
    #expect(try images(days.flatMap { [$0 + ".cls", $0 + ".jpg"] }) == days.map { $0 + ".jpg" })
    #expect(
      try images(["photo.cls", "photo.jpg", "photo.1.cls", "photo.1.jpg"]) == ["photo.jpg", "photo.1.jpg"])
    // One sample with a dot, as any other.
    #expect(try images(["a.v2.jpg", "b.jpg"]) == ["a.v2.jpg", "b.jpg"])
  }

  /// What can be both is refused: fields that come back, labels for a key as a whole, in one shard or another.
  @Test func whatCanBeBothIsAnError() throws {
    let fields = (0..<2).flatMap { ["\($0).depth.png", "\($0).rgb.png"] }
    #expect(message(fields)?.contains("two images of the sample 0 ") == true)
    #expect(
      message(["0.depth.png", "0.rgb.png"], ["1.depth.png", "1.rgb.png"])?.hasPrefix(
        "0.tar: 0.depth.png and ") == true)
    #expect(message(["a.x.png", "a.y.png", "a.cls"])?.contains("two images of the sample a ") == true)
    #expect(
      message(["a.jpg", "a.seg.png"], ["b.x.png", "b.y.png"])?.hasPrefix("1.tar: b.x.png and b.y.png ")
        == true)
  }

  /// An index by counts alone names the rule, and reads by it.
  @Test func anIndexKeepsItsRule() throws {
    let masks = (0..<3).flatMap { ["\($0).jpg", "\($0).seg.png"] }
    let dots = (0..<3).map { "2021.03.07_\($0).jpg" }
    for (members, rule, field) in [
      (masks, ImageRule.plain, nil), (dots, .every, nil), (masks, .field("seg.png"), "seg.png"),
    ] {
      let path = folder.path + "/index.json"
      let list = try ShardList(counting: [shard(members)], for: path, field: field, threads: 1)
      #expect(list.rule == rule && list.shards.map(\.nsamples) == [3])
      try list.write(to: path)
      #expect(try ShardList(contentsOf: path) == list)
      let counted = try Dataset.open(path, OpeningOptions(needsCountsOnly: true))
      let wanted = members.filter { rule.takes($0) }
      for (sample, name) in wanted.enumerated() {
        #expect(try (counted.samples as? ShardSamples)?.bytes(sample) == Array(name.utf8))
      }
      let stream = ShardStream(try #require(counted.shards), LaneEpoch(inOrder: ShardCounts([3])))
      #expect(try (0..<3).map { try stream.bytes(at: $0) } == wanted.map { Array($0.utf8) })
      let listed = try Dataset.open(path)
      #expect((0..<3).map { listed.name($0) } == wanted.map { "a.tar/" + $0 })
    }
  }

  private func opened(_ list: ShardList, imageKey: String? = nil) throws -> Dataset {
    let path = folder.path + "/index.json"
    try list.write(to: path)
    return try Dataset.open(path, OpeningOptions(needsCountsOnly: true, imageKey: imageKey))
  }

  /// The first versions of this program counted every image; wids counts samples.
  @Test func anOlderIndexIsNotUsedWhereTheRuleIsAnother() throws {
    _ = try shard((0..<3).flatMap { ["\($0).jpg", "\($0).seg.png"] })
    func read(_ count: Int, imageKey: String? = nil) throws -> [String] {
      let dataset = try opened(
        .init(name: "", shards: [.init(url: "a.tar", nsamples: count)]), imageKey: imageKey)
      let stream = ShardStream(try #require(dataset.shards), LaneEpoch(inOrder: ShardCounts([count])))
      return try (0..<count).map { String(decoding: try stream.bytes(at: $0), as: UTF8.self) }
    }
    #expect(try read(3) == ["0.jpg", "1.jpg", "2.jpg"])
    #expect(try read(3, imageKey: "seg.png") == ["0.seg.png", "1.seg.png", "2.seg.png"])
    let error = #expect(throws: ShardError.self) { try read(6) }
    #expect(
      error?.description.contains(
        "a.tar holds 3 images, and the index has 6; if the shard is whole, write the") == true)
    _ = try shard(["a.jpg", "a.png"])
    let two = #expect(throws: ShardError.self) { try read(2) }
    #expect(
      two?.description.hasSuffix(
        "a.tar: a.png is a second image of its sample; choose one and write the index anew, as with moco index "
          + "--image-key png") == true)
    let counted = #expect(throws: DatasetError.self) {
      try opened(.init(name: "", rule: .every, shards: [.init(url: "a.tar", nsamples: 2)]), imageKey: "png")
    }
    #expect(
      counted?.description.hasSuffix(
        "index.json: it counts other images than those of .png; write one with moco index --image-key png")
        == true)
  }

  /// A listing in the cache is of the rule and the field that it was made by.
  @Test func listingsOfAnotherFormAreNotUsed() throws {
    let cache = ShardIndexCache(folder: folder.path + "/cache")
    let source = try shard(["a.jpg", "a.seg.png"])
    func names(_ field: String?) throws -> String {
      try ShardIndex([source], field: field, cache: cache).name(0)
    }
    #expect(
      try names(nil) == "a.tar/a.jpg" && names("seg.png") == "a.tar/a.seg.png" && names(nil) == "a.tar/a.jpg")
    let files = try FileManager.default.contentsOfDirectory(atPath: cache.folder)
    #expect(files.count == 2)
    for file in files {
      let text = try String(contentsOfFile: cache.folder + "/" + file, encoding: .utf8)
      #expect(text.contains("\"key\":\"2 "), "the form stands in the key: \(text.prefix(80))")
    }
  }

  /// Pictures of formats that are not read are counted; tables and arrays are fields of a sample.
  @Test func unreadPicturesAreCounted() throws {
    _ = try shard(["a.jpg", "a.npy", "a.txt", "b.heic", "b.json", "c.jp2", "d.heic", "e.jpg"])
    let dataset = try Dataset.open(folder.path + "/a.tar")
    #expect(dataset.leftOut.text == "2 .heic, 1 .jp2 (not read as images)" && dataset.leftOut.isLoss)
    #expect(message(["a.heic", "b.heic", "b.txt"]) == "F/0.tar holds no image, only 2 .heic, 1 .txt")
  }
}
