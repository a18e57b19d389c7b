import Foundation
import TestSupport
import Testing

/// Shards as people have them, through the commands.
@Suite(.serialized) struct ShardSampleCommandTests {
  private let folder = temporaryFolder()
  private let data: String
  private let run: String

  init() throws {
    data = try makeImageFolder(images: 24)
    run = folder + "/run"
    let made = try Program.run(
      "pretrain", data, "--out", run, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
      "--batch-size",
      "8", "--bn-splits", "2", "--moco-k", "16", "--device", "cpu", "--workers", "1", "--epochs", "1")
    try #require(made.code == 0, "\(made.errors)")
  }

  /// A shard of the folder's images in its order, named by `key`, with what `beside` puts beside each: field and text.
  private func shard(
    _ name: String, key: (Int) -> String,
    beside: (_ image: Int, _ label: Int) -> [(field: String, text: String)]
  ) throws -> String {
    let place = "\(folder)/\(name)-members"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    for image in 0..<24 {
      let label = image / 12
      let path = String(format: "%@/class%d/%03d.png", data, label, 2 * (image % 12) + label)
      try FileManager.default.copyItem(atPath: path, toPath: "\(place)/\(key(image)).png")
      for (field, text) in beside(image, label) {
        try put(Array(text.utf8), at: "\(place)/\(key(image)).\(field)")
      }
    }
    let path = "\(folder)/\(name).tar"
    let tar = Process()
    tar.executableURL = URL(filePath: "/bin/sh")
    tar.arguments = ["-c", "cd '\(place)' && tar --sort=name -cf '\(path)' *"]
    try tar.run()
    tar.waitUntilExit()
    try #require(tar.terminationStatus == 0)
    return path
  }

  private func top1(_ train: String, _ test: String, _ options: String...) throws -> String {
    let result = try Program.run(["knn", run, "--train", train, "--test", test, "--k", "5"] + options)
    #expect(result.code == 0, "\(result.errors)")
    return String(result.output.split(separator: "\n").last ?? "")
  }

  /// Dates in the keys: the accuracy and the labels are those of the same images in folders.
  @Test func datedKeysGiveTheLabelsOfFolders() throws {
    let dated = try shard("dated") {
      String(format: "2021.03.07_%04d", $0)
    } beside: {
      [("cls", "\($1)")]
    }
    #expect(try top1(dated, dated) == top1(data, data))
    for (set, name) in [(dated, "shards"), (data, "folder")] {
      let result = try Program.run("features", run, set, "--out", "\(folder)/\(name).safetensors")
      #expect(result.code == 0, "\(result.errors)")
    }
    #expect(try bytes(at: folder + "/shards.safetensors") == bytes(at: folder + "/folder.safetensors"))
    let index = try Program.run("index", dated, "--out", folder + "/dated.json")
    #expect(index.errors.hasSuffix("24 images in 1 shard: \(folder)/dated.json\n"), "\(index.errors)")
  }

  @Test func textAndJSONLabelsAreMeasured() throws {
    let texts = try shard("texts") {
      String(format: "%04d", $0)
    } beside: {
      [("cls", $1 == 0 ? "class0" : "class1")]
    }
    let json = try shard("json") {
      String(format: "%04d", $0)
    } beside: {
      [("json", "{\"label\": \"class\($1)\"}")]
    }
    let expected = try top1(data, data)
    #expect(try top1(texts, texts) == expected && top1(json, json) == expected)
    #expect(try top1(data, texts) == top1(data, json))
  }

  @Test func oneMissingLabelIsNamed() throws {
    let one = try shard("one") {
      String(format: "%04d", $0)
    } beside: {
      $0 == 7 ? [] : [("cls", "\($1)")]
    }
    let result = try Program.run("knn", run, "--train", one, "--test", one)
    #expect(result.code == 2)
    #expect(
      result.errors.hasSuffix(
        "kNN needs labels, and 1 of 24 images has no label: one.tar/0007.png has no 0007.cls and no label in 0007.json.\n"
      ), "\(result.errors)")
  }

  @Test func masksAreNoPhotographs() throws {
    let masks = try shard("masks") {
      String(format: "%04d", $0)
    } beside: { image, label in
      [("seg.png", "no picture"), ("cls", "\(label)")]
    }
    let check = try Program.run("check", masks)
    #expect(check.code == 0, "\(check.output)")
    #expect(
      check.output.hasPrefix(
        "24 images, 2 classes, tar shards; members passed over: 24 .seg.png\nok            24\n"),
      "\(check.output)")
    #expect(try top1(masks, masks) == top1(data, data))
    let packed = try Program.run("pack", masks, "--out", folder + "/packed.tar")
    #expect(
      packed.code == 0 && packed.errors.contains("members passed over in \(masks): 24 .seg.png\n24 images, "),
      "\(packed.errors)")
    let chosen = try Program.run("check", masks, "--image-key", "seg.png")
    #expect(chosen.code == 1 && chosen.output.contains("refused       24\n"), "\(chosen.output)")
    let wrong = try Program.run("check", masks, "--image-key", "a/b")
    #expect(
      wrong.code == 2
        && wrong.errors
          == "moco: --image-key a/b: give what stands behind the first dot of a member's name, as jpg.\n"
    )
    // In training, and in its index.
    let train = try Program.run(
      "pretrain", masks, "--out", folder + "/masked", "--recipe", "cifar", "--arch", "resnet8",
      "--image-size", "16",
      "--batch-size", "8", "--bn-splits", "2", "--moco-k", "16", "--device", "cpu", "--workers", "1",
      "--epochs", "1",
      "--image-key", "png")
    #expect(train.code == 0, "\(train.errors)")
    #expect(
      train.errors.contains("data      24 images, 2 classes, tar shards; members passed over: 24 .seg.png\n"),
      "\(train.errors)")
    let index = try Program.run("index", masks, "--out", folder + "/masks.json", "--image-key", "seg.png")
    #expect(index.code == 0)
    #expect(
      try String(contentsOfFile: folder + "/masks.json", encoding: .utf8).contains(
        #""field" : "seg.png","#), "\(index.errors)")
  }
}
