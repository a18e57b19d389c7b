import Files
import Foundation
import Methods
import Training
import Weights

/// The commands of a transfer table, as their folders say now.
struct TransferTableJobs {
  /// Row by row: what the row needs first, then its cells.
  private(set) var all: [TransferTableJob] = []
  private let spec: TransferTableSpec

  var cells: [TransferTableJob] { all.filter { $0.cell != nil } }

  /// - Throws: ``UsageError`` where a folder holds another command.
  init(_ spec: TransferTableSpec, out: String, digests: [String: String]) throws {
    self.spec = spec
    for start in spec.starts {
      let cells = spec.cells.filter { $0.start == start }
      switch start.weights {
      case .random: try addRandom(cells, out)
      case .pretrained(let run):
        let job = try TransferTableJob(
          .pretrain, label: "pre-training of \(start.name)", folder: Self.folder(out, [start.name]),
          arguments: run.arguments.map(spec.resolved) + [
            "--out", Self.made(TransferTableJob.run, [start.name]),
          ])
        all.append(job)
        for cell in cells {
          try add(cell, out, weights: Self.made(TransferTableJob.run, [start.name]), needs: job)
        }
      case .file(let path?): try addFile(start, path, cells, out, digests[path])
      case .file(nil): preconditionFailure("start \(start.name) has no weights")
      }
    }
  }

  private mutating func addRandom(_ cells: [TransferTableCell], _ out: String) throws {
    var drawn: [UInt64: TransferTableJob] = [:]
    for cell in cells {
      guard !cell.task.command.makesRun, let network = spec.network else {
        try add(cell, out, weights: nil)
        continue
      }
      let name = [cell.start.name, "seed=\(cell.seed)"]
      if drawn[cell.seed] == nil {
        let job = try TransferTableJob(
          .drawing(seed: cell.seed), label: "network of \(cell.start.name), seed \(cell.seed)",
          folder: Self.folder(out, name),
          arguments: network.networkArguments.map(spec.resolved) + ["--seed", "\(cell.seed)"])
        all.append(job)
        drawn[cell.seed] = job
      }
      try add(cell, out, weights: Self.made(TransferTableJob.encoder, name), needs: drawn[cell.seed])
    }
  }

  private mutating func addFile(
    _ start: TransferTableStart, _ path: String, _ cells: [TransferTableCell], _ out: String,
    _ digest: String?
  ) throws {
    var imported: TransferTableJob?
    if cells.contains(where: { !$0.task.command.makesRun }), !InitialWeights.isCheckpoint(path) {
      imported = try TransferTableJob(
        .importing, label: "import of \(start.name)", folder: Self.folder(out, [start.name]),
        arguments: ["import", path] + start.imports.arguments(negates: false)
          + ["--out", Self.made(TransferTableJob.encoder, [start.name])], weights: digest)
      imported.map { all.append($0) }
    }
    for cell in cells {
      let takesFile = cell.task.command.makesRun || imported == nil
      try add(
        cell, out, weights: takesFile ? path : Self.made(TransferTableJob.encoder, [start.name]),
        digest: digest,
        needs: takesFile ? nil : imported)
    }
  }

  private mutating func add(
    _ cell: TransferTableCell, _ out: String, weights: String?, digest: String? = nil,
    needs: TransferTableJob? = nil
  ) throws {
    all.append(
      try TransferTableJob(
        .cell(cell), label: cell.label, folder: "\(out)/\(TransferTableJob.cells)/\(cell.name)",
        arguments: cell.arguments(weights: weights).map(spec.resolved), weights: digest, needs: needs))
  }

  private static func folder(_ out: String, _ name: [String]) -> String {
    "\(out)/\(TransferTableJob.starts)/\(folderName(name))"
  }

  /// The path of what a preparation makes, for arguments.
  private static func made(_ file: String, _ name: [String]) -> String { "\(folder("{out}", name))/\(file)" }

  /// Checksums of the files of weights of a spec, by path; those that cannot be read are missing, and say so as cells.
  /// - Throws: ``UsageError`` for a folder that is neither a run nor a checkpoint.
  static func digests(_ spec: TransferTableSpec) throws -> [String: String] {
    var digests: [String: String] = [:]
    for start in spec.starts {
      guard case .file(let path?) = start.weights else { continue }
      try checkFolder(path, of: start)
      digests[path] = (try? InitialWeights(path))?.digest
    }
    return digests
  }

  private static func checkFolder(_ path: String, of start: TransferTableStart) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
      return
    }
    do {
      _ = try Checkpoint.metadata(of: path)
    } catch CheckpointError.notACheckpoint, CheckpointError.notFound {
      throw UsageError(
        "start \(start.name): \(path): no weights in this folder. Give a run, a checkpoint or a file of weights."
      )
    } catch let error as CheckpointError {
      throw UsageError("start \(start.name): \(error)")
    }
  }
}

extension TransferTableStart.Pretraining {
  /// Of `moco pretrain`, but for the run folder.
  var arguments: [String] {
    ["pretrain", data ?? ""] + (recipe.map { ["--recipe", $0] } ?? []) + settings.arguments(negates: true)
  }

  /// What its network depends on, and more.
  var networkArguments: [String] {
    (recipe.map { ["--recipe", $0] } ?? []) + settings.arguments(negates: true)
  }

  /// Writes the query encoder of a run before its first step.
  /// - Throws: ``UsageError`` for a recipe or settings that there are not.
  func writeRandomEncoder(seed: UInt64, to path: String) throws {
    let given: KeyArguments
    do {
      given = try KeyArguments(settings.arguments(negates: true))
    } catch let error as KeyArguments.Malformed {
      throw UsageError("`pretrain`: \(error.message)")
    }
    if let unknown = given.rest.first {
      throw UsageError("`pretrain`: `moco pretrain` has no option \(unknown).")
    }
    var config = try given.applied(to: RunConfig.recipe(recipe ?? ""))
    config.seed = seed
    let encoder = try config.makeUntrainedEncoder(on: .cpu)
    try config.encoderSpec.write(encoder, head: .projection, source: "random, seed \(seed)", to: path)
  }
}
