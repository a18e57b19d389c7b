import Foundation
import Images
import TestSupport
import Testing

/// `moco linear`, `knn`, `features` and `search` as a user runs them.
@Suite(.serialized) struct EvaluationCommandTests {
  private let data: String
  private let run = temporaryFolder() + "/run"

  init() throws {
    data = try makeImageFolder(images: 40)
    let made = try Program.run(
      "pretrain", data, "--out", run, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
      "--batch-size", "8", "--bn-splits", "2", "--moco-k", "12", "--device", "cpu", "--workers", "1",
      "--epochs", "1")
    try #require(made.code == 0, "\(made.errors)")
  }

  private func json(_ result: Program.Result) throws -> [String: Any] {
    try #require(result.code == 0, "\(result.errors)")
    return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
  }

  private var sets: [String] { ["--train", data, "--test", data] }

  // MARK: - Linear

  @Test func linearTellsItsScoresClassByClass() throws {
    let matrix = run + "/confusion.csv"
    let result = try Program.run(
      ["linear", run] + sets + ["--epochs", "2", "--batch-size", "16", "--confusion", matrix])
    #expect(result.code == 0, "\(result.errors)")
    #expect(
      result.output.hasPrefix(
        "linear classification, recipe v2, 2 epochs, 40 training images of 2 classes and 40 test images of 2\nlr 30 "
      ),
      "\(result.output)")
    for part in [
      " in epoch ", "class0", "class1", "the encoder is unchanged: ", "confusion matrix: \(matrix)",
    ] {
      #expect(result.output.contains(part), "\(part): \(result.output)")
    }
    #expect(
      result.errors.contains("batch of 16 instead of 256: the learning rate 30 becomes 1.875\n"),
      "\(result.errors)")
    #expect(result.errors.contains("epoch 2/2  top-1 "), "\(result.errors)")
    #expect(
      result.errors.contains(
        "warning: --train and --test are the same images: the result says nothing about other ones.\n"),
      "\(result.errors)")
    let lines = try String(contentsOfFile: matrix, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3 && lines[0] == "class,class0,class1" && lines[1].hasPrefix("class0,"))
    let counts = lines.dropFirst().flatMap { $0.split(separator: ",").dropFirst().compactMap { Int($0) } }
    #expect(counts.count == 4 && counts.reduce(0, +) == 40)
  }

  @Test func aSweepReportsTheDivergedRateAndGoesOn() throws {
    let report = try json(
      Program.run(
        ["linear", run] + sets + [
          "--lr-sweep", "1e30,1", "--wd", "1", "--epochs", "3", "--batch-size", "20", "--recipe", "v3",
          "--json",
        ]))
    let trials = try #require(report["trials"] as? [[String: Any]])
    #expect(trials.count == 2)
    #expect(trials[0]["diverged_in"] as? Int == 1 && trials[0]["best"] == nil)
    #expect(trials[1]["diverged_in"] == nil && (trials[1]["epochs"] as? [Any])?.count == 3)
    #expect(trials[1]["lr"] as? Double == 1 && trials[1]["scaled_lr"] as? Double == 20.0 / 256)
    #expect((report["confusion"] as? [[Int]])?.flatMap { $0 }.reduce(0, +) == 40)
    #expect(try #require(report["top1"] as? Double) >= 0 && report["recipe"] as? String == "v3")
    let alone = try Program.run(
      ["linear", run] + sets + [
        "--cached", "--lr", "1e30", "--wd", "1", "--epochs", "3", "--batch-size", "20",
      ])
    #expect(
      alone.code == 1
        && alone.errors.hasSuffix(
          "moco: the classifier diverged: its loss or weights became infinite in the first epoch. "
            + "Try a lower --lr, or several with --lr-sweep.\n"),
      "\(alone.errors)")
  }

  @Test func wrongUseExitsWith2AndOneLine() throws {
    let cases: [([String], String)] = [
      (["linear", run] + sets + ["--lr", "-1"], "--lr -1.0: a learning rate must be positive and finite."),
      (
        ["linear", run] + sets + ["--lr-sweep", "1,0"],
        "--lr-sweep 0.0: a learning rate must be positive and finite."
      ),
      (
        ["linear", run] + sets + ["--lr", "5", "--lr-sweep", "1,10"],
        "--lr and --lr-sweep contradict each other: give one of them."
      ),
      (
        ["linear", run] + sets + ["--workers", "9223372036854775807"],
        "--workers 9223372036854775807: 1 to 1024."
      ),
      (["report", run, "--workers", "0"], "--workers 0: 1 to 1024."),
      (
        ["report", run, "--images", "/nowhere"], "--images /nowhere: /nowhere does not exist; check the path."
      ),
      (["knn", run, "--train", "/nowhere", "--test", data], "/nowhere does not exist; check the path"),
      (
        ["search", run, "--index", data, "--query", "/nowhere.jpg"],
        "--query /nowhere.jpg: there is no such image. Check the path."
      ),
      (["linear", run] + sets + ["--epochs", "0"], "--epochs 0: 1 to 1,000,000."),
      (
        ["linear", run] + sets,
        "--batch-size 256: there are only 40 training images. Use a smaller batch, or more images."
      ),
      (["knn", run] + sets + ["--k", "5,0"], "--k 0: at least one neighbour votes."),
      (
        ["knn", run] + sets + ["--layer", "layer4"],
        "--layer layer4: resnet8 has layer1 to layer3, pooled and head."
      ),
      (
        ["features", run, data, "--out", "a.h5"],
        "--out a.h5: the extension .h5 is unknown. Name the file .safetensors, .npy or .csv."
      ),
      (
        ["search", run, "--index", data, "--query", data + "/class0/000.png", "--count", "0"],
        "--count 0: at least one image."
      ),
    ]
    for (arguments, message) in cases {
      let result = try Program.run(arguments)
      #expect(result.code == 2 && result.errors.hasSuffix("moco: \(message)\n"), "\(result.errors)")
      #expect(result.output == "", "\(arguments): \(result.output)")
    }
    let layer = try Program.run(["knn", run] + sets + ["--layer", "layer9"])
    #expect(layer.code == 2 && layer.errors.contains("'layer9' is invalid for '--layer"), "\(layer.errors)")
    for command in ["linear", "knn"] {
      let unlabelled = try Program.run([command, run, "--train", data + "/class0", "--test", data])
      #expect(
        unlabelled.code == 2
          && unlabelled.errors.contains("needs labels, and these are images without classes"),
        "\(unlabelled.errors)")
    }
  }

  /// Before any work is done, so that nothing is lost.
  @Test func aPlaceThatCannotBeWrittenToIsRefusedAtTheStart() throws {
    let image = data + "/class0/000.png"
    let cases: [([String], String, String)] = [
      (["linear", run] + sets, "--confusion", "x.csv"), (["finetune", run] + sets, "--confusion", "x.csv"),
      (["finetune", run] + sets, "--out", "x.safetensors"), (["knn", run] + sets, "--neighbours", "x.png"),
      (["features", run, data], "--out", "x.npy"),
      (["search", run, "--index", data, "--query", image], "--sheet", "x.png"),
      (["report", run], "--out", "x.html"), (["report", run], "--svg", "x.svg"),
      (["export", run, "--format", "timm"], "--out", "x.pth"), (["import", image], "--out", "x.safetensors"),
    ]
    for (arguments, option, name) in cases {
      let result = try Program.run(arguments + [option, "/nowhere/\(name)"])
      #expect(
        result.code == 2 && result.output == ""
          && result.errors
            == "moco: \(option) /nowhere/\(name): cannot write into the folder /nowhere: "
            + "there is no such file or folder. Check the path.\n",
        "\(arguments): \(result.errors)")
    }
    let device = try Program.run("export", run, "--format", "timm", "--out", "/dev/null")
    #expect(device.code == 2 && device.errors.contains("cannot write /dev/null: it is no regular file"))
  }

  /// Before any work is done: a program that goes by the name would take the file for damaged.
  @Test func anExtensionOfAnotherKindOfFileIsRefused() throws {
    let image = data + "/class0/000.png"
    let cases: [([String], String)] = [
      (
        ["report", run, "--out", "r.pdf"],
        "--out r.pdf: this is a page of HTML; give it a name that ends in .html or .htm."
      ),
      (
        ["report", run, "--svg", "r.png"],
        "--svg r.png: this is a drawing in SVG; give it a name that ends in .svg."
      ),
      (
        ["search", run, "--index", data, "--query", image, "--sheet", "s.jpg"],
        "--sheet s.jpg: this is a PNG picture; give it a name that ends in .png."
      ),
      (
        ["knn", run] + sets + ["--neighbours", "n.jpeg"],
        "--neighbours n.jpeg: this is a PNG picture; give it a name that ends in .png."
      ),
      (
        ["linear", run] + sets + ["--confusion", "c.xlsx"],
        "--confusion c.xlsx: this is a table in CSV; give it a name that ends in .csv."
      ),
      (
        ["export", run, "--format", "torchvision", "--out", "e.safetensors"],
        "--out e.safetensors: torchvision takes a file that ends in .pth or .pt, or choose --format safetensors."
      ),
      (
        ["export", run, "--format", "torchvision", "--normalise", "--out", "e.pth"],
        "--normalise: only --format onnx has a graph that can do it."
      ),
    ]
    for (arguments, message) in cases {
      let result = try Program.run(arguments)
      #expect(
        result.code == 2 && result.output == "" && result.errors == "moco: \(message)\n", "\(result.errors)")
    }
  }

  @Test func aPathOfOneCharacterIsAPath() throws {
    let result = try Program.run(["export", run, "--format", "timm", "--out", "x"], in: run)
    #expect(result.code == 0 && FileManager.default.fileExists(atPath: run + "/x"), "\(result.errors)")
    let index = try Program.run(
      ["search", run, "--index", data, "--query", data + "/class0/000.png", "--index-file", "i"], in: run)
    #expect(index.code == 0 && FileManager.default.fileExists(atPath: run + "/i"), "\(index.errors)")
    let weights = try Program.run("knn", run + "/x", "--train", data, "--test", data)
    #expect(weights.errors.hasSuffix("Weights from elsewhere, such as a .pth, need `moco import` first.\n"))
  }

  @Test func aMissingCheckpointIsSaidByAll() throws {
    for arguments in [
      ["linear", run + "x"] + sets, ["features", run + "x", data, "--out", run + "/f.npy"],
      ["search", run + "x", "--index", data, "--query", data + "/class0/000.png"],
    ] {
      let result = try Program.run(arguments)
      #expect(
        result.code == 2 && result.errors.hasPrefix("moco: there is no checkpoint at \(run)x. "),
        "\(result.errors)")
    }
  }

  // MARK: - kNN

  @Test func severalVotingsArePrintedAndEqualEachAlone() throws {
    let several = try json(
      Program.run(["knn", run] + sets + ["--k", "3,10", "--temperature", "0.07,0.5", "--json"]))
    let rows = try #require(several["results"] as? [[String: Any]])
    #expect(rows.count == 4 && several["k"] == nil && several["temperature"] == nil)
    #expect(rows.map { $0["k"] as? Int } == [3, 3, 10, 10])
    #expect(rows.map { $0["temperature"] as? Double } == [0.07, 0.5, 0.07, 0.5])
    let alone = try json(
      Program.run(["knn", run] + sets + ["--k", "10", "--temperature", "0.5", "--json"]))
    #expect(alone["k"] as? Int == 10 && alone["layer"] as? String == "pooled")
    let row = try #require((alone["results"] as? [[String: Any]])?.first)
    #expect(row["top1"] as? Double == rows[3]["top1"] as? Double)
    let text = try Program.run(["knn", run] + sets + ["--k", "3,10", "--layer", "layer1"])
    #expect(
      text.output.hasPrefix("kNN top-1, layer1, 40 test images of 2 classes among 40 of 2 ("),
      "\(text.output)")
    #expect(
      text.output.contains("trained encoder   k = 3, τ = 0.1      ")
        && text.output.contains("trained encoder   k = 10, τ = 0.1     "), "\(text.output)")
  }

  // MARK: - Features and search

  @Test func featuresAreWrittenWithTheirPaths() throws {
    let out = run + "/features.csv"
    let report = try json(Program.run("features", run, data, "--out", out, "--layer", "head", "--json"))
    #expect(report["rows"] as? Int == 40 && report["width"] as? Int == 128)
    let lines = try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n")
    let paths = try String(contentsOfFile: out + ".paths.txt", encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 41 && paths.count == 40)
    #expect(paths.first == "class0/000.png" && paths == paths.sorted())
    #expect(
      lines[0].hasPrefix("path,label,class,feature0,") && lines[1].hasPrefix("class0/000.png,0,class0,"))
    #expect(lines.allSatisfy { $0.split(separator: ",").count == 3 + 128 })
    let unit = try Program.run("features", run, data, "--out", out, "--normalise")
    #expect(unit.code == 0, "\(unit.errors)")
    let rows = try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").dropFirst()
    for row in rows {
      let squares = row.split(separator: ",").dropFirst(3).compactMap { Double($0) }.map { $0 * $0 }
      #expect(squares.count == 64 && abs(squares.reduce(0, +) - 1) < 1e-6)
    }
  }

  /// Nothing becomes infinite at 1e30, and nothing is learned.
  @Test func aRateThatIsTooHighIsSaid() throws {
    let arguments = ["linear", run] + sets + ["--epochs", "2", "--batch-size", "16", "--cached"]
    let high = try Program.run(arguments + ["--lr", "1e30"])
    #expect(high.code == 0)
    let warning = high.errors.split(separator: "\n").filter { $0.hasPrefix("warning: --lr") }
    #expect(
      warning.count == 1 && warning[0].hasPrefix("warning: --lr 1e+30: the loss of the last epoch is ")
        && warning[0].hasSuffix(
          ", and that of a guess among 2 classes 0.69: the learning rate is too high. Try a lower one."),
      "\(high.errors)")
    let usual = try Program.run(arguments)
    #expect(usual.code == 0 && !usual.errors.contains("too high"), "\(usual.errors)")
  }

  @Test func aSearchFindsTheImageItselfAndKeepsItsIndex() throws {
    let (index, sheet) = (run + "/kept/index.safetensors", run + "/sheet.png")
    let query = data + "/class1/003.png"
    let arguments = [
      "search", run, "--index", data, "--query", query, data + "/class0/002.png", "--count", "3",
      "--index-file", index,
    ]
    let first = try Program.run(arguments + ["--sheet", sheet])
    #expect(first.code == 0, "\(first.errors)")
    #expect(first.errors.contains("the features of 40 images are kept in \(index)"), "\(first.errors)")
    let lines = first.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 9 && lines[0] == query && lines[1] == "  1.0000  class1/003.png")
    #expect(lines[5] == "  1.0000  class0/002.png" && lines[8] == "picture: \(sheet)")
    #expect(try ImageDecoder().decode(contentsOf: sheet).width == 4 * 43 + 3)
    let again = try json(Program.run(arguments + ["--json"]))
    #expect(again["reused"] as? Bool == true && again["images"] as? Int == 40)
    let queries = try #require(again["queries"] as? [[String: Any]])
    let matches = try #require(queries.first?["matches"] as? [[String: Any]])
    #expect(queries.count == 2 && matches.count == 3)
    #expect(matches.first?["path"] as? String == "class1/003.png")
  }

  @Test func aQueryThatIsNoImageIsNamed() throws {
    let text = run + "/note.txt"
    try Data("no image".utf8).write(to: URL(fileURLWithPath: text))
    let result = try Program.run("search", run, "--index", data, "--query", text)
    #expect(
      result.code == 1
        && result.errors.contains(
          "note.txt: not a JPEG, PNG, WebP, TIFF, BMP, GIF, PNM or AVIF image (it begins with "),
      "\(result.errors)")
  }
}
