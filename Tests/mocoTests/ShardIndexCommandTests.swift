import Foundation
import TestSupport
import Testing

/// `moco index`, and commands on an index, as a user meets them.
@Suite(.serialized) struct ShardIndexCommandTests {
  private let folder = temporaryFolder()
  private let data: String

  init() throws {
    data = try makeColourFolder(imagesPerClass: 8)
    let packed = try Program.run("pack", data, "--out", "\(folder)/s-{0..N}.tar", "--shard-images", "8")
    #expect(packed.code == 0 && packed.errors.hasSuffix("; their index is \(folder)/s-index.json\n"))
  }

  @Test func anIndexIsWrittenOfFilesAndCommands() throws {
    let files = try Program.run("index", "\(folder)/s-{0..2}.tar", "--out", "\(folder)/own.json")
    #expect(
      files.code == 0 && files.errors.hasSuffix("24 images in 3 shards: \(folder)/own.json\n"),
      "\(files.errors)")
    let one = try Program.run("index", "\(folder)/s-0.tar", "--out", "\(folder)/one.json")
    #expect(one.code == 0 && one.errors.hasSuffix("8 images in 1 shard: \(folder)/one.json\n"))
    func shards(_ name: String) throws -> [[String: Any]] {
      let text = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
      return try #require(
        (JSONSerialization.jsonObject(with: text) as? [String: Any])?["shardlist"] as? [[String: Any]])
    }
    #expect(try shards("own.json") as NSArray == shards("s-index.json") as NSArray)
    let commands = try Program.run(
      "index", "pipe:gzip -c '\(folder)/s-{0..2}.tar'", "--out", "\(folder)/p.json", "--quiet")
    #expect(commands.code == 0 && commands.errors == "")
    #expect(try shards("p.json").map { $0["nsamples"] as? Int } == [8, 8, 8])
    #expect(try shards("p.json")[1]["url"] as? String == "pipe:gzip -c '\(folder)/s-1.tar'")
  }

  @Test func wrongUseIsOneLine() throws {
    let name = try Program.run("index", "\(folder)/s-0.tar", "--out", "\(folder)/own.txt")
    #expect(name.code == 2 && name.errors == "moco: --out \(folder)/own.txt: let the name end in .json.\n")
    let images = try Program.run("index", data, "--out", "\(folder)/own.json")
    #expect(
      images.code == 1
        && images.errors
          == "moco: \(data) is a folder of images, which needs no index: give it to pretrain as it is\n"
    )
    let twice = try Program.run(
      "index", "\(folder)/s-0.tar", "\(folder)/s-0.tar", "--out", "\(folder)/own.json")
    #expect(twice.code == 1 && twice.errors.hasSuffix("names s-0.tar twice; write one with moco index\n"))
    let broken = try Program.run("index", "pipe:exit 3", "--out", "\(folder)/own.json", "--retries", "0")
    #expect(broken.code == 1 && broken.errors == "moco: the command `exit 3` failed: exit status 3\n")
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/own.json"))
  }

  /// Training by counts; kNN with the labels that the shards hold.
  @Test func anIndexIsTrainedAndMeasuredOn() throws {
    let index = "\(folder)/s-index.json"
    let run = try Program.run(
      "pretrain", index, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16", "--batch-size", "8",
      "--bn-splits", "2", "--moco-k", "16", "--epochs", "1", "--workers", "1", "--device", "cpu", "--out",
      "\(folder)/run", "--knn-train", index, "--knn-test", index)
    #expect(run.code == 0, "\(run.errors)")
    #expect(run.errors.contains("data      24 images in 3 shards, shard index\n"), "\(run.errors)")
    let knn = try Program.run("knn", "\(folder)/run", "--train", index, "--test", "\(folder)/s-{0..2}.tar")
    #expect(knn.code == 0, "\(knn.errors)")
  }

  @Test func theFirstBatchOfAnyRankIsTimed() throws {
    let result = try Program.run(
      "bench", "start", "\(folder)/s-index.json", "--batch-size", "8", "--ranks", "2", "--rank", "1", "--at",
      "0.5",
      "--image-size", "16", "--json")
    #expect(result.code == 0 && result.output.contains("\"seconds\""), "\(result.errors)")
  }
}
