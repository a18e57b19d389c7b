import Distributed
import Files
import Foundation
import Training

/// The cells of a transfer table, one after the other, and their results.
///
/// The folder has a folder for every cell in `cells/` and for what rows begin with in `starts/`, and, written anew after
/// every command, `results.md`, `results.csv` and `results.html`. A command that has ended is never repeated; one that
/// failed is a result. Several processes may share a folder: each takes commands that no other one is at.
package final class TransferTable {
  package enum Outcome: Sendable, Equatable {
    case finished
    /// Every command that can is saved.
    case stopped(signal: Int32)
    /// Other processes are at the remaining cells.
    case shared(cells: Int)
  }

  private let spec: TransferTableSpec
  private let out: String
  /// The command line, for the page.
  private let command: String
  /// That the cells run.
  private let program: String
  private let console: Console
  /// Checksums of the given files of weights, by path; those that cannot be read are missing.
  private let digests: [String: String]
  private var tried: Set<String> = []

  /// Reads the folder; runs nothing.
  /// - Parameters:
  ///   - spec: the comparison.
  ///   - out: the folder.
  ///   - command: the command line, for the results.
  ///   - program: the path of the program whose commands the cells are.
  ///   - console: shows progress.
  ///   - check: raises an error for a command, without the program, that this program would not take.
  /// - Throws: ``UsageError`` where the folder holds other cells, a start has no weights, or `check` refuses a command.
  package init(
    _ spec: TransferTableSpec, out: String, command: String, program: String = ChildProcess.program,
    console: Console, check: (_ arguments: [String]) throws -> Void = { _ in }
  ) throws {
    self.spec = spec
    self.out = absolute(out).withoutSlash
    self.command = command
    self.program = program
    self.console = console
    digests = try TransferTableJobs.digests(spec)
    for job in try jobs.all where job.isCommand {
      do {
        try check(resolved(job.arguments))
      } catch let error as UsageError {
        throw UsageError("\(spec.source): \(job.label): \(error.description)")
      }
    }
    try refuseOthers()
  }

  /// A table must not replace one of more or of other cells.
  private func refuseOthers() throws {
    let present =
      (try? FileManager.default.contentsOfDirectory(atPath: "\(out)/\(TransferTableJob.cells)")) ?? []
    let asked = Set(spec.cells.map(\.name))
    if let odd = present.sorted().first(where: { !$0.hasPrefix(".") && !asked.contains($0) }) {
      throw UsageError(
        "--out \(out): the folder holds a cell that is not asked for (\(odd)). Choose another folder, ask for its start, "
          + "task and seed too, or remove the cell.")
    }
  }

  /// All commands, read from their folders now.
  private var jobs: TransferTableJobs {
    get throws { try TransferTableJobs(spec, out: out, digests: digests) }
  }

  /// The state of the commands, one a line.
  package var plan: String {
    get throws {
      try jobs.all.map { "\($0.label): \($0.stateText)\n" }.joined()
    }
  }

  /// Forgets failures, so that they are tried once more.
  package func retryFailures() throws {
    try exclusively {
      for job in try jobs.all {
        guard case .failed = job.state, var record = job.record else { continue }
        (record.state, record.reason) = (.begun, nil)
        try record.write(job.folder)
      }
    }
  }

  /// Runs the commands that have no result yet.
  package func run() throws -> Outcome {
    let cells = try jobs.cells
    let (done, failed) = (cells.count { $0.state == .finished }, cells.count(where: \.hasFailed))
    console.say(
      "\(spec.title): \(cells.count) cells" + (done > 0 ? ", \(done) of them done" : "")
        + (failed > 0 ? ", \(failed) failed" : ""))
    try writeResults()
    while let job = try next() {
      guard let lock = try begin(job) else { continue }
      if let signal = try withExtendedLifetime(lock, { try perform(job, lock) }) {
        try writeResults()
        return .stopped(signal: signal)
      }
      try writeResults()
    }
    if let signal = StopRequest.signal { return .stopped(signal: signal) }
    let left = try jobs.cells.filter { $0.state == .pending }
    if let mute = left.first(where: { !$0.isInUse && tried.contains($0.folder) }) {
      throw RunError(
        "\(mute.folder): \(mute.label) was stopped by a signal that did not come to this process. The same command "
          + "continues it.")
    }
    return left.isEmpty ? .finished : .shared(cells: left.count)
  }

  /// A command that can be run now; waits where all others need one that another process is at.
  /// - Returns: nil if nothing is left for this process, or a signal has come.
  private func next() throws -> TransferTableJob? {
    while StopRequest.signal == nil {
      let open = try jobs.all.filter { $0.state == .pending && !$0.isInUse && !tried.contains($0.folder) }
      if let job = open.first(where: { $0.readiness == .ready }) { return job }
      guard open.contains(where: { $0.readiness == .waiting }) else { return nil }
      usleep(300_000)
    }
    return nil
  }

  // MARK: - One command

  private func exclusively<Result>(_ body: () throws -> Result) throws -> Result {
    try SharedFolder(path: out).exclusively(body)
  }

  /// Takes a command for this process.
  /// - Returns: nil if another process has begun or ended it since it was listed.
  private func begin(_ listed: TransferTableJob) throws -> FileLock? {
    try exclusively {
      let job = try jobs.all.first { $0.folder == listed.folder }
      guard let job, job.state == .pending, !job.isInUse else { return nil }
      let lock: FileLock
      do {
        try FileManager.default.createDirectory(atPath: job.folder, withIntermediateDirectories: true)
        lock = try FileLock(job.folder + "/.lock")
      } catch FileLock.Failure.inUse {
        return nil
      } catch {
        throw RunError("\(job.folder): the folder cannot be made or locked. Choose another --out.")
      }
      tried.insert(job.folder)
      try newRecord(job).write(job.folder)
      return lock
    }
  }

  private func newRecord(_ job: TransferTableJob) -> TransferTableRecord {
    var record =
      job.record
      ?? TransferTableRecord(
        state: .begun, arguments: job.arguments, command: "",
        begun: ISO8601DateFormatter().string(from: Date()),
        host: TransferTableRecord.here, weights: job.weights)
    // Options of the machine may be others than before.
    (record.arguments, record.host) = (job.arguments, TransferTableRecord.here)
    record.command = job.isCommand ? quotedForShell(["moco"] + resolved(job.arguments)) : ""
    return record
  }

  private func resolved(_ arguments: [String]) -> [String] {
    arguments.map { $0.replacing("{out}", with: out) }
  }

  /// - Returns: the signal that stopped it.
  private func perform(_ job: TransferTableJob, _ lock: FileLock) throws -> Int32? {
    let number = try jobs.cells.firstIndex { $0.folder == job.folder }.map {
      "cell \($0 + 1) of \(spec.cells.count)  "
    }
    console.say("\n\(number ?? "")\(job.label)")
    var record = newRecord(job)
    let start = ContinuousClock.now
    let end: TransferTableEnd
    if case .drawing(let seed) = job.kind {
      end = try drawEncoder(job, seed)
    } else {
      console.say(record.command)
      end = try runCommand(job, lock)
    }
    record.seconds += (ContinuousClock.now - start) / .seconds(1)
    switch end {
    case .finished:
      record.state = .finished
      console.say("done in \(duration(record.seconds))\(job.summary)")
    case .failed(let reason):
      (record.state, record.reason) = (.failed, reason)
      console.say("failed: \(reason)")
    case .stopped: break
    }
    try record.write(job.folder)
    if case .stopped(let signal?) = end { return signal }
    return nil
  }

  private func drawEncoder(_ job: TransferTableJob, _ seed: UInt64) throws -> TransferTableEnd {
    guard let network = spec.network else { preconditionFailure("\(job.label): the network is not known") }
    do {
      try network.writeRandomEncoder(seed: seed, to: "\(job.folder)/\(TransferTableJob.encoder)")
    } catch let error as UsageError {
      return .failed(error.description)
    }
    return .finished
  }

  private func runCommand(_ job: TransferTableJob, _ lock: FileLock) throws -> TransferTableEnd {
    // Output that is not whole is not taken for a result.
    let printed = job.printsResult ? job.resultPath + ".new" : job.outputPath
    if job.printsResult { try replaceFile(printed, with: "") }
    let child: ChildProcess
    do {
      child = try ChildProcess(
        program, ["moco"] + resolved(job.arguments), variables: [ChildProcess.parentVariable: "\(getpid())"],
        streams: .init(output: printed, errors: job.outputPath, lock: lock))
    } catch let reason as RunError {
      throw RunError("\(program): the program cannot be started: \(reason).")
    }
    let end = try child.wait()
    if job.printsResult { try renameItem(printed, to: job.resultPath) }
    return TransferTableEnd(end, of: job)
  }

  // MARK: - Results

  private func writeResults() throws {
    try exclusively {
      let results = try TransferTableResults(spec, jobs: jobs, command: command)
      try replaceFile(out + "/results.md", with: results.markdown)
      try replaceFile(out + "/results.csv", with: results.csv)
      try replaceFile(pagePath, with: results.page.text)
    }
  }

  /// A line about the cells that failed; nil if none did.
  package var failureSummary: String? {
    get throws {
      let cells = try jobs.cells
      let failed = cells.count(where: \.hasFailed)
      guard failed > 0 else { return nil }
      return
        "\(failed) of \(cells.count) cells failed; the reasons are below the table. The same command with --retry-failed "
        + "tries them once more."
    }
  }

  package var tablePath: String { out + "/results.md" }
  package var pagePath: String { out + "/results.html" }
}
