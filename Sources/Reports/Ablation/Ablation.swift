import Data
import Evaluation
import Files
import Foundation
import Training

/// The runs of an ablation, one after the other, and their results.
///
/// The folder has a run folder for every cell and seed in `runs/`, and, written anew after every run, `results.md`,
/// `results.csv` and the figures. The same command continues where it was stopped; a run that has ended is never
/// repeated. Several processes may share a folder: each takes runs that no other one is in.
package final class Ablation {
  package enum Outcome: Sendable, Equatable {
    case finished
    /// Everything is saved.
    case stopped(signal: Int32)
    /// Other processes train the remaining runs.
    case shared(runs: Int)
  }

  private let spec: AblationSpec
  private let data: String
  private let out: String
  private let command: String
  private let images: AblationData
  private let console: Console

  /// Reads the folder; does not train.
  /// - Parameters:
  ///   - spec: the comparison.
  ///   - data: the training images.
  ///   - out: the folder for the runs and the results.
  ///   - command: the command line, for the table.
  ///   - console: shows progress.
  /// - Throws: ``UsageError`` where the data cannot be used, or the folder holds other runs.
  package init(_ spec: AblationSpec, data: String, out: String, command: String, console: Console) throws {
    self.spec = spec
    self.data = data
    self.out = out.withoutSlash
    self.command = command
    self.console = console
    images = try Ablation.images(data, spec, console)
    for cell in spec.cells {
      do {
        try cell.config.validate(images: images.count)
      } catch let error as UsageError {
        throw UsageError("\(spec.source): cell \(cell.label): \(error.description) Or \(spec.howToChange)")
      }
    }
    try refuseOthers()
    _ = try runs
  }

  /// The images of all cells; those of kNN are the same for all.
  private static func images(_ data: String, _ spec: AblationSpec, _ console: Console) throws -> AblationData
  {
    guard let config = spec.cells.first?.config else { preconditionFailure("a spec has at least one cell") }
    guard let asked = config.knnTest else {
      throw UsageError("--knn-test is missing: labelled images on which every run is measured.")
    }
    let searched = config.knnTrain ?? data
    let learned = try Dataset.open(
      data,
      OpeningOptions(
        split: .train, decoder: config.decoder, listing: console.listing(), needsCountsOnly: true,
        imageKey: config.imageField))
    let train = try EvaluationData(
      searched, split: .train, input: config.evaluationInput, limit: config.knnLimit)
    let test = try EvaluationData(asked, split: .test, input: config.evaluationInput, limit: config.knnLimit)
    guard searched != data || train.dataset.isLabeled else {
      throw UsageError(
        "\(data): these are images without classes; every run is measured by kNN. Give --knn-train, labelled images "
          + "that it searches.")
    }
    let comparison = try KNNEvaluation(train: train, test: test, device: .cpu)
    return AblationData(
      fingerprint: learned.fingerprint, count: learned.count,
      knnFingerprints: [train, test].map(\.dataset.fingerprint),
      searched: comparison.searched)
  }

  /// A table must not replace one of more or of other runs.
  private func refuseOthers() throws {
    let present = (try? FileManager.default.contentsOfDirectory(atPath: out + "/runs")) ?? []
    let asked = Set(spec.cells.flatMap { cell in spec.seeds.map { "\(cell.name),seed=\($0)" } })
    if let odd = present.sorted().first(where: { !$0.hasPrefix(".") && !asked.contains($0) }) {
      throw UsageError(
        "--out \(out): the folder holds a run that is not asked for (\(odd)). Choose another folder, ask for its cell and "
          + "seed too, or remove the run.")
    }
  }

  /// All runs, read from their folders now.
  private var runs: [AblationRun] {
    get throws {
      try spec.cells.flatMap { cell in
        try spec.seeds.map { try AblationRun(cell, seed: $0, in: out + "/runs", data: images) }
      }
    }
  }

  /// The state of the runs, one a line.
  package var plan: String {
    get throws {
      try runs.map { run in
        let state =
          switch run.state {
          case .pending: run.isInUse ? "running" : run.hasBegun ? "begun" : "to do"
          case .finished: "done, kNN \(run.finalKNN.map { fixed($0, 2) } ?? "–") %"
          case .diverged(let step): "failed at step \(step)"
          }
        return "\(run.cell.label), seed \(run.seed): \(state)\n"
      }.joined()
    }
  }

  /// Trains the runs that have no result yet.
  package func run() throws -> Outcome {
    let all = try runs
    let done = all.count { $0.state != .pending }
    console.say("\(spec.title): \(all.count) runs\(done > 0 ? ", \(done) of them done" : "")")
    var tried: Set<String> = []
    // Repeated, because another process may have stopped before the end of its run.
    while let (number, next) = try runs.enumerated().first(where: {
      $1.state == .pending && !$1.isInUse && !tried.contains($1.folder)
    }) {
      guard let training = try begin(next, "run \(number + 1) of \(all.count)") else { continue }
      tried.insert(next.folder)
      if let signal = try train(training) { return .stopped(signal: signal) }
      try writeResults()
    }
    try writeResults()
    let left = try runs.filter { $0.state == .pending }
    if let mute = left.first(where: { !$0.isInUse && tried.contains($0.folder) }) {
      throw RunError(
        "\(mute.folder): the run has come to its end, but its log.jsonl does not tell what came out: it was damaged. "
          + AblationRun.remedy)
    }
    return left.isEmpty ? .finished : .shared(runs: left.count)
  }

  /// The run, ready to train; nil if another process has begun or ended it since it was listed.
  private func begin(_ listed: AblationRun, _ number: String) throws -> Pretraining? {
    try exclusively {
      let run = try AblationRun(listed.cell, seed: listed.seed, in: out + "/runs", data: images)
      guard run.state == .pending, !run.isInUse else { return nil }
      console.say("\n\(number)  \(run.cell.label), seed \(run.seed)")
      return try Pretraining(run.cell.config(seed: run.seed), data: data, out: run.folder, console: console)
    }
  }

  /// - Returns: the signal that stopped it.
  private func train(_ training: Pretraining) throws -> Int32? {
    do {
      if case .stopped(let signal) = try training.run() { return signal }
    } catch let error as DivergedRun {
      console.say("fail: \(error.description)")
    }
    return nil
  }

  /// Writes the table and the figures of the results so far.
  private func writeResults() throws {
    try exclusively { try write(AblationResults(spec, runs: try runs, data: images, command: command)) }
  }

  private func write(_ results: AblationResults) throws {
    try replaceFile(out + "/results.md", with: results.markdown)
    try replaceFile(out + "/results.csv", with: results.csv)
    for figure in results.figures {
      try replaceFile("\(out)/\(figure.name).svg", with: figure.chart.drawing().svg())
    }
  }

  private func exclusively<Result>(_ body: () throws -> Result) throws -> Result {
    try SharedFolder(path: out).exclusively(body)
  }

  /// The path of the table.
  package var resultsPath: String { out + "/results.md" }
}
