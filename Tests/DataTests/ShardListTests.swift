import Foundation
import Testing
@testable import Data

/// `Fixtures/wids.json`: shards by webdataset, and the index that wids made of them.
private struct MadeByWids: Decodable {
  var index: String
  var shards: [String: Data]

  /// In a folder.
  static func inFolder() throws -> (folder: TemporaryFolder, index: String) {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    let made = try JSONDecoder().decode(
      MadeByWids.self, from: Data(contentsOf: fixtures.appending(path: "wids.json")))
    let folder = try TemporaryFolder()
    for (name, data) in made.shards { try folder.write(name, data) }
    return (folder, try folder.write("index.json", Data(made.index.utf8)))
  }
}

private var counting: OpeningOptions { OpeningOptions(needsCountsOnly: true) }

@Suite struct ShardLists {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func anIndexByWidsIsRead() throws {
    let (made, path) = try MadeByWids.inFolder()
    let list = try ShardList(contentsOf: path)
    #expect(list.name == "made" && list.shards.map(\.nsamples) == [3, 2, 4])
    #expect(list.shards[0].url == "train-000.tar" && list.shards[0].filesize == 20_480)
    #expect(try list.sources(of: path)[1] == .file(made.path + "/train-001.tar"))
    let counted = try Dataset.open(path, counting)
    #expect(counted.summary == "9 images in 3 shards, shard index" && !counted.isLabeled)
    #expect(counted.name(4) == "train-001.tar, image 2")
    let listed = try Dataset.open(path)
    #expect(listed.count == 9 && listed.name(4) == "train-001.tar/000004.png")
    #expect((0..<9).map { listed.label($0) } == [0, 1, 0, 1, 0, 1, 0, 1, 0])
    for sample in 0..<9 {
      #expect(try counted.image(sample) == listed.image(sample))
      #expect(
        try counted.image(sample).pixels.prefix(3) == [UInt8(20 * sample), UInt8(255 - 20 * sample), 40])
    }
  }

  /// The counts are those of wids, and written and read again they are the same.
  @Test func anIndexIsWrittenAsWidsWritesIt() throws {
    let (made, path) = try MadeByWids.inFolder()
    let sources = try ShardPattern.sources(made.path + "/train-{000..002}.tar")
    let own = made.path + "/own.json"
    let list = try ShardList(counting: sources, for: own, threads: 2)
    try list.write(to: own)
    #expect(try ShardList(contentsOf: own) == list)
    #expect(try list.shards == ShardList(contentsOf: path).shards)
    #expect(list.name == "own")
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: own))) as? [String: Any])
    #expect(object["__kind__"] as? String == "wids-shard-index-v1" && object["wids_version"] as? Int == 1)
    // Elsewhere the whole path is named.
    let other = try ShardList(counting: sources, for: folder.path + "/x.json", threads: 1)
    #expect(other.shards[0].url.hasSuffix("/train-000.tar") && other.shards[0].url.hasPrefix("/"))
  }

  @Test func addressesBecomeShards() throws {
    func sources(_ urls: String..., base: String? = nil) throws -> [ShardSource] {
      var list = ShardList(name: "", shards: urls.map { .init(url: $0, nsamples: 1) })
      list.base = base
      return try list.sources(of: folder.path + "/index.json")
    }
    #expect(
      try sources(
        "pipe:cat 'a b.tar' | zcat", "/x/a.tar", "file:///y/b.tar", "c/d.tar", "https://e.org/a%20b.tar")
        == [
          .command("cat 'a b.tar' | zcat"), .file("/x/a.tar"), .file("/y/b.tar"),
          .file(folder.path + "/c/d.tar"), .command("curl -gfsSL 'https://e.org/a%20b.tar'"),
        ])
    #expect(try sources("pipe:true", "a.tar", base: "../b")[1] == .file(folder.path + "/../b/a.tar"))
    #expect(
      try sources("a.tar", base: "https://e.org/b") == [.command("curl -gfsSL 'https://e.org/b/a.tar'")])
    for odd in ["s3://bucket/a.tar", "https://e.org/'; rm -rf x; '"] {
      let error = #expect(throws: ShardError.self) { try sources("pipe:true", odd) }
      #expect(
        error?.description
          == "\(folder.path)/index.json: \(odd) cannot be fetched; write pipe: and a command that prints it")
    }
    let missing = #expect(throws: ShardError.self) { try sources("a.tar", "b.tar") }
    #expect(missing?.description == "\(folder.path)/a.tar does not exist; check the path and the range")
  }

  @Test(arguments: [
    ("", "no shard index: The given data was not valid JSON.; write one with moco index"),
    ("[]", "no shard index: "),
    ("{}", "no shard index: it has no \"wids_version\""),
    (#"{"wids_version": 2}"#, "a shard index of version 2; version 1 is read"),
    (#"{"wids_version": 1, "__kind__": "x"}"#, "its __kind__ is x, not wids-shard-index-v1"),
    (
      #"{"wids_version": 1, "shardlist": [{"url": "pipe: ", "nsamples": 1}]}"#,
      "pipe:  has no command; write one behind pipe:, such as pipe:curl URL"
    ),
    (#"{"wids_version": 1}"#, "its \"shardlist\" names no shard; write one with moco index"),
    (
      #"{"wids_version": 1, "datasets": [{"source_url": "x"}]}"#,
      "an index of several data sets; give one with all their shards in its \"shardlist\""
    ),
    (
      #"{"wids_version": 1, "shardlist": [{"url": "a.tar", "nsamples": 1}, {"url": "a.tar", "nsamples": 1}]}"#,
      "names a.tar twice; write one with moco index"
    ),
    (
      #"{"wids_version": 1, "shardlist": [{"url": "a.tar", "nsamples": -1}]}"#,
      "a.tar cannot hold -1 images; write one with moco index"
    ),
    (
      #"{"wids_version": 1, "shardlist": [{"url": "a.tar", "nsamples": 9e14}, {"url": "b.tar", "nsamples": 9e14}]}"#,
      "b.tar cannot hold 900,000,000,000,000 images; write one with moco index"
    ),
    (
      #"{"wids_version": 1, "shardlist": [{"url": "a.tar", "nsamples": 99999999999999999999}]}"#,
      "no shard index: "
    ),
    (
      #"{"wids_version": 1, "shardlist": [{"url": "a.tar"}]}"#,
      "no shard index: shardlist.[0], no \"nsamples\"; write one with moco index"
    ),
    (
      #"{"wids_version": 1, "shardlist": [{"url": "", "nsamples": 1}]}"#,
      "a shard has no usable \"url\"; write one with moco index"
    ),
    (#"{"wids_version": 1, "shardlist": "x"}"#, "no shard index: shardlist, "),
  ])
  func hostileIndexesAreRefused(_ text: String, _ message: String) throws {
    let path = try folder.write("x.json", Data(text.utf8))
    let error = #expect(throws: DatasetError.self) { try Dataset.open(path, counting) }
    #expect(error?.description.hasPrefix("\(path): \(message)") == true, "\(error?.description ?? "none")")
  }

  @Test func anIndexOfNoImagesIsNoSet() throws {
    let path = try folder.write(
      "x.json", Data(#"{"wids_version": 1, "shardlist": [{"url": "pipe:true", "nsamples": 0}]}"#.utf8))
    let error = #expect(throws: DatasetError.self) { try Dataset.open(path, counting) }
    #expect(error?.description == "pipe:true holds no image")
  }

  /// Shards may lie elsewhere and come by another command; other counts or names are other images.
  @Test func theFingerprintIsOfCountsAndNames() throws {
    func fingerprint(_ sources: [ShardSource], _ counts: [Int]) -> UInt32 {
      Dataset(
        ShardSamples(ShardIndex(sources, counts: counts)), format: "shard index",
        shards: ShardIndex(sources, counts: counts)
      ).fingerprint
    }
    let first = fingerprint([.file("/a/x.tar"), .command("one")], [3, 4])
    #expect(first == fingerprint([.file("/b/x.tar"), .command("two")], [3, 4]))
    #expect(first != fingerprint([.file("/a/x.tar"), .command("one")], [4, 3]))
    #expect(first != fingerprint([.file("/a/y.tar"), .command("one")], [3, 4]))
    // Of a command's address the last part counts, not the host.
    let fetched = fingerprint([.command("curl -s 'https://e.org/v1/x.tar?key=1'")], [7])
    #expect(fetched == fingerprint([.command("wget -qO- http://mirror.org/x.tar")], [7]))
    #expect(fetched != fingerprint([.command("curl -s 'https://e.org/v1/y.tar?key=1'")], [7]))
  }

  /// Nothing is read before the first batch: the shards are commands that leave a trace.
  @Test func openingReadsNoShard() throws {
    let trace = folder.path + "/trace"
    var list = ShardList(name: "", shards: [])
    for shard in 0..<1000 {
      list.shards.append(.init(url: "pipe:touch '\(trace)' # \(shard)", nsamples: 1_000_000))
    }
    let path = folder.path + "/x.json"
    try list.write(to: path)
    let dataset = try Dataset.open(path, counting)
    _ = dataset.fingerprint
    let sampler = EpochSampler(dataset, batchSize: 256, seed: 1)
    #expect(dataset.count == 1_000_000_000 && sampler.batch(epoch: 7, index: 3_000_000).count == 256)
    #expect(!FileManager.default.fileExists(atPath: trace))
  }
}
