import Files
import Foundation
import Training

/// A command of a transfer table, to be run once in a folder of its own: a cell, or what a row needs first.
///
/// The folder has `record.json` (how it stands), `output.txt` (what the command printed), `run/` or `encoder.safetensors`
/// (what it made), and `result.json` (the JSON object of a command that prints one).
struct TransferTableJob {
  static let cells = "cells", starts = "starts"
  static let run = "run", encoder = "encoder.safetensors"

  enum Kind {
    case pretrain, importing
    /// Writes the encoder of a random start; no command.
    case drawing(seed: UInt64)
    case cell(TransferTableCell)
  }

  enum State: Equatable {
    /// Not begun, or not ended.
    case pending
    case finished
    case failed(String)
  }

  let kind: Kind
  /// For people.
  let label: String
  let folder: String
  /// Without the program; `{out}` is the folder of the table, which may be moved.
  let arguments: [String]
  /// Identifies the file of weights it begins with; nil where it has none, or one that cannot be read.
  let weights: String?
  /// What has to be finished first; at most one.
  private let needed: [TransferTableJob]
  /// Whether a process was at it when this was read: the lock is held by the command too, which may outlive its
  /// `moco transfer`.
  let isInUse: Bool
  let record: TransferTableRecord?

  init(
    _ kind: Kind, label: String, folder: String, arguments: [String], weights: String? = nil,
    needs: TransferTableJob? = nil
  ) throws {
    (self.kind, self.label, self.folder, self.arguments) = (kind, label, folder, arguments)
    (self.weights, needed) = (weights, needs.map { [$0] } ?? [])
    // Before the record: one that is not in use and still pending is free.
    isInUse = RunFolder.isInUse(folder)
    record = try TransferTableRecord.read(folder)
    if let record { try check(record) }
  }

  /// A record of another command, or of other weights, is none of this table's.
  private func check(_ record: TransferTableRecord) throws {
    let remedy = "Choose another --out, repeat that command's options, or remove the folder."
    let (there, here) = (record.lasting, TransferTableRecord.lasting(arguments))
    guard there == here else {
      let place = zip(there, here).enumerated().first { $1.0 != $1.1 }?.offset ?? min(there.count, here.count)
      throw UsageError(
        "\(folder): \(label) was begun by another command (\(option(at: place, of: there)) there and "
          + "\(option(at: place, of: here)) here). \(remedy)")
    }
    if let old = record.weights, let weights, old != weights {
      throw UsageError(
        "\(folder): \(label) was begun with other weights: the file was \(old) and is \(weights). \(remedy)")
    }
  }

  /// The option with its value that a word belongs to.
  private func option(at place: Int, of words: [String]) -> String {
    guard words.indices.contains(place) else { return "nothing" }
    func isOption(_ index: Int) -> Bool { words.indices.contains(index) && words[index].hasPrefix("--") }
    let from = !isOption(place) && isOption(place - 1) ? place - 1 : place
    let hasValue = isOption(from) && from + 1 < words.count && !isOption(from + 1)
    return quotedForShell(Array(words[from...(hasValue ? from + 1 : from)]))
  }

  var state: State {
    if let first = needed.first, case .failed(let reason) = first.state {
      return .failed("\(first.label) failed: \(reason)")
    }
    return switch record?.state {
    case nil, .begun: .pending
    case .finished: .finished
    case .failed: .failed(record?.reason ?? "no reason was noted")
    }
  }

  var hasFailed: Bool { if case .failed = state { true } else { false } }

  enum Readiness { case ready, waiting, blocked }

  /// Whether what it needs is there; waiting if another process is at that.
  var readiness: Readiness {
    guard let first = needed.first, first.state != .finished else { return .ready }
    return first.state == .pending && first.isInUse ? .waiting : .blocked
  }

  /// How it stands, in words.
  var stateText: String {
    switch state {
    case .pending: isInUse ? "running" : record != nil ? "begun" : "to do"
    case .finished: "done" + summary
    case .failed(let reason): "failed: \(reason)"
    }
  }

  /// The numbers of a cell that has ended: `, AP50 81.5, AP 55.9`.
  var summary: String {
    guard let cell else { return "" }
    let metrics = metrics
    return cell.task.metrics.compactMap { name in
      metrics[name].map { ", \(name) \($0.map { fixed($0, 2) } ?? "–")" }
    }.joined()
  }

  /// The numbers that its command gave.
  var metrics: TransferTableMetrics {
    printsResult
      ? TransferTableMetrics(result: resultPath)
      : TransferTableMetrics(log: "\(folder)/\(TransferTableJob.run)/log.jsonl")
  }

  var outputPath: String { folder + "/output.txt" }
  var resultPath: String { folder + "/result.json" }

  var isCommand: Bool { if case .drawing = kind { false } else { true } }

  /// Whether the command saves at a signal, and goes on where it was.
  var saves: Bool {
    switch kind {
    case .pretrain: true
    case .importing, .drawing: false
    case .cell(let cell): cell.task.command.saves
    }
  }

  /// Whether its numbers are a JSON object that it prints.
  var printsResult: Bool { cell.map { !$0.task.command.makesRun } ?? false }

  var cell: TransferTableCell? { if case .cell(let cell) = kind { cell } else { nil } }

  /// The last line of its errors: the reason for its end.
  var lastError: String? {
    guard let data = FileManager.default.contents(atPath: outputPath) else { return nil }
    let lines = String(decoding: data.suffix(65_536), as: UTF8.self).split(separator: "\n")
    let prefix = "moco: "
    return lines.last { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }
}
