import Foundation
import TestSupport
import Testing

/// What is left out, as a user meets it in each command. The kinds are ones that will never be read.
@Suite(.serialized) struct LeftOutCommandTests {
  private let folder = temporaryFolder()
  private let data: String
  private var run: String { folder + "/run" }
  private let line = "left out of %: 20 .heic, 10 .jp2 (not read as images); no image in dog/ (20 .heic)\n"

  init() throws {
    data = try makeImageFolder(images: 24)
    try FileManager.default.createDirectory(atPath: data + "/dog", withIntermediateDirectories: true)
    for number in 0..<20 { try put([0, 1, 2], at: "\(data)/dog/\(number).heic") }
    for number in 0..<10 { try put([0, 1, 2], at: "\(data)/class1/\(number).jp2") }
  }

  private func pretrain(_ options: String...) throws -> Program.Result {
    try Program.run(
      [
        "pretrain", data, "--out", run, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
        "--batch-size",
        "8", "--bn-splits", "2", "--moco-k", "16", "--device", "cpu", "--workers", "1", "--epochs", "1",
      ] + options)
  }

  private func warning(_ path: String) -> String { "warning: " + line.replacing("%", with: path) }

  @Test func checkNamesItAndFails() throws {
    let result = try Program.run("check", data)
    #expect(result.code == 1)
    #expect(
      result.output.contains(
        "ok            24\ntruncated-ok  0\nrefused       0\n"
          + "left out      20 .heic, 10 .jp2 (not read as images); no image in dog/ (20 .heic)\n"),
      "\(result.output)")
    let json = try Program.run("check", data, "--json")
    #expect(json.code == 1 && json.output.contains(#""unread":{".heic":20,".jp2":10}"#), "\(json.output)")
  }

  /// Annotations are no images that anybody misses.
  @Test func checkNamesTextsAndPasses() throws {
    let data = try makeImageFolder(images: 4)
    try put(Array("<a/>".utf8), at: data + "/class0/1.xml")
    let result = try Program.run("check", data)
    #expect(result.code == 0 && result.output.contains("left out      1 .xml (not read as images)\n"))
    let empty = try makeImageFolder(images: 4)
    try FileManager.default.createDirectory(atPath: empty + "/cat", withIntermediateDirectories: true)
    let failed = try Program.run("check", empty)
    #expect(failed.code == 1 && failed.output.contains("left out      no image in cat/ (empty)\n"))
  }

  @Test func packNamesIt() throws {
    let result = try Program.run("pack", data, "--out", folder + "/s.tar")
    #expect(result.code == 0 && result.errors.contains(warning(data)), "\(result.errors)")
    // The folder must be there, as for every output.
    let nowhere = try Program.run("pack", data, "--out", folder + "/none/s.tar")
    #expect(nowhere.code == 2 && nowhere.errors.contains("none"), "\(nowhere.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder + "/none"))
  }

  /// In training once, with the sets for kNN, whose images and classes are counted; then in every evaluation.
  @Test func trainingAndMeasuringNameIt() throws {
    let test = try makeImageFolder(images: 12)
    try FileManager.default.createDirectory(atPath: test + "/dog", withIntermediateDirectories: true)
    let made = try pretrain("--knn-train", data, "--knn-test", test)
    #expect(made.code == 0, "\(made.errors)")
    #expect(made.errors.components(separatedBy: warning(data)).count == 2, "\(made.errors)")
    #expect(made.errors.contains("warning: left out of \(test): no image in dog/ (empty)\n"))
    #expect(made.errors.contains("kNN       12 test images of 2 classes among 24 of 2\n"), "\(made.errors)")
    let log = try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8)
    #expect(log.contains("no image in dog/ (20 .heic)"))

    let features = try Program.run("features", run, data, "--out", folder + "/x.npy")
    #expect(features.code == 0 && features.errors.contains(warning(data)), "\(features.errors)")
    let sets = ["--train", data, "--test", test]
    let knn = try Program.run(["knn", run] + sets + ["--k", "5"])
    #expect(
      knn.errors.contains(warning(data))
        && knn.errors.contains("left out of \(test): no image in dog/ (empty)\n"))
    #expect(
      knn.output.hasPrefix("kNN top-1, k = 5, 12 test images of 2 classes among 24 of 2\n"), "\(knn.output)")
    let json = try Program.run(["knn", run] + sets + ["--k", "5", "--json"])
    #expect(json.output.contains(#""test_classes":2,"#) && json.output.contains(#""train_classes":2,"#))
    for command in ["linear", "finetune"] {
      let result = try Program.run([command, run] + sets + ["--epochs", "1", "--batch-size", "8"])
      #expect(result.code == 0 && result.errors.contains(warning(data)), "\(command): \(result.errors)")
      #expect(result.output.contains("12 test images of 2"), "\(result.output)")
    }
    let again = try Program.run("knn", run, "--train", data, "--test", data)
    #expect(again.errors.components(separatedBy: warning(data)).count == 2, "once for both: \(again.errors)")
  }

  /// Which set lacks what, and why.
  @Test func classesThatDifferAreNamedBySet() throws {
    #expect(try pretrain().code == 0)
    let train = try makeImageFolder(images: 12)
    for name in ["dog", "cat"] {
      try FileManager.default.createDirectory(atPath: "\(train)/\(name)", withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: "\(train)/class0/000.png", toPath: "\(train)/\(name)/1.png")
    }
    for command in ["knn", "linear"] {
      let result = try Program.run(command, run, "--train", train, "--test", data)
      #expect(result.code == 2)
      #expect(
        result.errors.hasSuffix(
          "moco: the classes of \(train) (4) and of \(data) (2) are not the same: \(data) lacks 2 of 4: cat, dog (its folder "
            + "holds no image, only 20 .heic). Give sets with the same classes.\n"), "\(result.errors)")
    }
  }

  @Test func aLineBreakInANameIsFoundBeforeAnyWork() throws {
    #expect(try pretrain().code == 0)
    try FileManager.default.copyItem(atPath: data + "/class0/000.png", toPath: data + "/class0/a\nb.png")
    let result = try Program.run("features", run, data, "--out", folder + "/x.npy")
    #expect(result.code == 1 && result.errors.contains("holds a line break"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder + "/x.npy"))
  }
}
