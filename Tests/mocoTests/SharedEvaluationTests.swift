import Foundation
import TestSupport
import Testing

/// `moco knn` and `moco features` by several ranks: what one process finds. Serialized: each run wants the cores.
@Suite(.serialized) struct SharedEvaluationTests {
  private let train: String
  private let test: String
  private let run = temporaryFolder() + "/run"

  init() throws {
    (train, test) = (try makeImageFolder(images: 41), try makeImageFolder(images: 30, side: 24))
    try Data("no image".utf8).write(to: URL(fileURLWithPath: train + "/class1/007.png"))
    let made = try Program.run(
      "pretrain", test, "--out", run, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
      "--batch-size", "10", "--bn-splits", "1", "--moco-k", "12", "--device", "cpu", "--workers", "1",
      "--epochs", "2")
    try #require(made.code == 0, "\(made.errors)")
  }

  private var options: [String] { ["--device", "cpu", "--workers", "1"] }

  /// Hits are counted and not rounded, so that two ranks print what one prints.
  @Test func kNNOfSeveralRanksIsThatOfOne() throws {
    let sheets = (0..<2).map { "\(run)/sheet\($0).png" }
    func knn(_ more: [String]) throws -> Program.Result {
      let result = try Program.run(
        ["knn", run, "--train", train, "--test", test, "--k", "3,10", "--json", "--baselines"] + options
          + more)
      try #require(result.code == 0, "\(result.errors)")
      return result
    }
    let alone = try knn(["--neighbours", sheets[0]])
    #expect(
      alone.output.contains(#""test_classes":2,"test_images":30,"train_classes":2,"train_images":40"#),
      "\(alone.output)")
    #expect(
      alone.errors.contains("images left out because they cannot be read: 1, the first: class1/007.png"))
    let both = try knn(["--nproc", "2", "--neighbours", sheets[1]])
    #expect(both.output == alone.output)
    #expect(both.errors == alone.errors, "said once")
    let pictures = try sheets.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    #expect(pictures[0].count > 1000 && pictures[0] == pictures[1])
    #expect(try knn(["--nproc", "3"]).output == alone.output)
  }

  @Test func kNNOfASetAmongItselfIsSharedToo() throws {
    let outputs = try [[], ["--nproc", "2"]].map { more in
      let result = try Program.run(
        ["knn", run, "--train", train, "--test", train, "--k", "5"] + options + more)
      #expect(result.code == 0, "\(result.errors)")
      return result.output
    }
    #expect(
      outputs[0].hasPrefix("kNN top-1, k = 5, 41 test images of 2 classes among 41 of 2 (the same images"))
    #expect(outputs[0] == outputs[1])
  }

  /// A row does not depend on the rows beside it but by the order of sums in its convolutions, which the size of a batch
  /// may change: float32 numbers near 1 then differ by some 1e-7.
  @Test func featuresOfSeveralRanksAreThoseOfOne() throws {
    var tables: [[[Float]]] = []
    var paths: [String] = []
    for (number, more) in [[], ["--nproc", "2"], ["--nproc", "3"]].enumerated() {
      let out = "\(run)/features\(number).csv"
      let result = try Program.run(["features", run, train, "--out", out] + options + more)
      #expect(result.code == 0, "\(result.errors)")
      #expect(result.output == "40 rows of 64 numbers (pooled): \(out)\ntheir paths: \(out).paths.txt\n")
      #expect(result.errors.contains("cannot be read: 1, the first: class1/007.png"), "\(result.errors)")
      let lines = try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n")
      tables.append(lines.dropFirst().map { $0.split(separator: ",").dropFirst(3).compactMap { Float($0) } })
      paths.append(try String(contentsOfFile: out + ".paths.txt", encoding: .utf8))
    }
    #expect(tables[0].count == 40 && tables[0].allSatisfy { $0.count == 64 })
    #expect(paths[0].split(separator: "\n").count == 40 && Set(paths).count == 1)
    for table in tables.dropFirst() {
      #expect(table.map(\.count) == tables[0].map(\.count))
      let worst = zip(table.joined(), tables[0].joined()).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 1
      #expect(worst < 1e-5)
    }
  }

  @Test func torchrunsVariablesShareAsWell() throws {
    let out = "\(run)/features.npy"
    let port = "\(20_000 + Int(getpid()) % 20_000)"
    let processes = try (0..<2).map { rank in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Program.path)
      process.arguments = ["features", run, train, "--out", out] + options
      process.environment = ProcessInfo.processInfo.environment.merging(
        [
          "RANK": "\(rank)", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
          "OMP_NUM_THREADS": "1",
        ]) { $1 }
      process.standardOutput = Pipe()
      process.standardError = Pipe()
      try process.run()
      return process
    }
    for process in processes {
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    let file = try Data(contentsOf: URL(fileURLWithPath: out))
    #expect(file.count == 128 + 40 * 64 * 4)
  }

  @Test func aFailureIsSaidOnceAndKeepsItsCode() throws {
    let wrong = try Program.run(
      ["knn", run, "--train", train + "/class0", "--test", test, "--nproc", "2"] + options)
    #expect(wrong.code == 2, "\(wrong.errors)")
    #expect(
      wrong.errors.contains("kNN needs labels, and these are images without classes")
        && wrong.errors.split(separator: "\n").filter { $0.hasPrefix("moco: ") }.count == 1, "\(wrong.errors)"
    )
    let missing = try Program.run(
      ["features", run + "x", train, "--out", run + "/f.csv", "--nproc", "2"] + options)
    #expect(
      missing.code == 2 && missing.errors.contains("there is no checkpoint at \(run)x."), "\(missing.errors)")
    let many = try Program.run(["features", run, train, "--out", run + "/f.csv", "--nproc", "0"] + options)
    #expect(many.code == 2 && many.errors == "moco: --nproc 0: 1 to 1024 processes.\n", "\(many.errors)")
  }
}
