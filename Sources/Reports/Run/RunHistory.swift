import Files
import Foundation
import Methods
import Training

/// The contents of a run folder, at any time of the run.
struct RunHistory {
  /// The state of the run.
  enum State: Equatable {
    case running, finished, stopped
    case failed(reason: String)
    /// Neither going nor ended: the process was killed, or the machine went down.
    case cut
  }

  /// From a start to its end; a killed process leaves none.
  struct Session {
    let start: RunEvent.Start
    var end: RunEvent.End?
  }

  let folder: String
  let config: RunConfig
  private(set) var sessions: [Session] = []
  private(set) var steps: [RunEvent.Step] = []
  private(set) var measurements: [RunEvent.KNN] = []
  private(set) var warnings: [RunEvent.Warning] = []
  private(set) var state = State.cut

  init(_ path: String) throws {
    let folder = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    self.folder = folder
    let events = RunLog.read(folder + "/log.jsonl")
    let yaml = try? String(contentsOfFile: folder + "/config.yaml", encoding: .utf8)
    guard !events.isEmpty || yaml != nil else {
      throw RunHistory.missing(folder)
    }
    var latest = try yaml.map { try RunHistory.config($0, source: folder + "/config.yaml") }
    for event in events where event.isPlausible {
      switch event {
      case .start(let start):
        sessions.append(Session(start: start))
        if (try? start.config.validate()) != nil { latest = start.config }
        state = .cut
      case .step(let step): steps.append(step)
      case .knn(let measured): measurements.append(measured)
      case .detector, .segmenter, .losses, .detection, .segmentation: break
      case .warning(let warning): warnings.append(warning)
      case .end(let end):
        if !sessions.isEmpty { sessions[sessions.count - 1].end = end }
        state =
          switch end.status {
          case .finished: .finished
          case .stopped: .stopped
          case .failed: .failed(reason: end.reason ?? "no reason was noted")
          }
      }
    }
    config = latest ?? RunConfig()
    if state == .cut, RunFolder.isInUse(folder) { state = .running }
  }

  private static func missing(_ folder: String) -> UsageError {
    let page = folder + "/results.html"
    guard !FileManager.default.fileExists(atPath: page) else {
      return UsageError("\(folder): this is a table of `moco transfer`, and no run. Its page is \(page).")
    }
    return UsageError(
      "\(folder): there is no run: neither log.jsonl nor config.yaml. Give the folder that --out of `moco pretrain`, `detect` "
        + "or `segment` named; a test by --eval-only and `finetune` have no page.")
  }

  private static func config(_ yaml: String, source: String) throws -> RunConfig {
    let config = try RunConfig(yaml: yaml, source: source)
    do {
      try config.validate()
    } catch {
      throw UsageError("\(source): \(error)")
    }
    return config
  }

  /// The folder's own name.
  var name: String { URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent }
  var logPath: String { folder + "/log.jsonl" }
  var viewsPath: String { folder + "/views.png" }
  var bestKNN: RunEvent.KNN? { measurements.max { $0.top1 < $1.top1 } }
  /// The path of the training images; nil in older logs.
  var dataPath: String? { sessions.last { $0.start.dataPath != nil }?.start.dataPath }
  /// The path of the kNN test images; in older logs relative to where the run was started.
  var knnTestPath: String? {
    sessions.last { $0.start.knnTestPath != nil }?.start.knnTestPath ?? config.knnTest
  }

  /// The planned number of steps; known after the first logged step.
  var totalSteps: Int? {
    guard let epochs = config.epochCount else { return config.steps }
    guard let last = steps.last, last.epoch > 0 else { return nil }
    let perEpoch = (Double(last.step) / last.epoch).rounded()
    guard let all = Int(exactly: Double(epochs) * perEpoch) else { return nil }
    return min(config.steps ?? all, all)
  }

  /// Seconds of training: steps over speed, so that measurements, pauses and killed sessions do not matter.
  var trainedSeconds: Double {
    var before = 0
    return steps.reduce(0) { seconds, step in
      defer { before = step.step }
      return seconds + Double((step.step - before) * config.batchSize) / max(step.imagesPerSecond, 1e-9)
    }
  }

  /// The share of the time spent waiting for data, in the mean over the logged steps.
  var dataWait: Double? {
    steps.isEmpty ? nil : steps.map(\.dataWait).reduce(0, +) / Double(steps.count)
  }

  /// The middle of all logged speeds.
  var medianSpeed: Double? {
    let speeds = steps.map(\.imagesPerSecond).sorted()
    return speeds.isEmpty ? nil : speeds[speeds.count / 2]
  }
}

extension RunEvent {
  /// Whether its numbers can be a run's. A damaged or hostile log must not overflow a sum nor leave a chart.
  var isPlausible: Bool {
    func isStep(_ number: Int) -> Bool { (0...1_000_000_000_000).contains(number) }
    func isEpoch(_ number: Double) -> Bool { (0...1e9).contains(number) }
    func areValues(_ values: [Double?]) -> Bool { values.allSatisfy { ($0 ?? 0).magnitude <= 1e40 } }
    switch self {
    case .start: return true
    case .step(let step):
      let found = step.diagnostics
      return isStep(step.step) && isEpoch(step.epoch)
        && areValues([step.loss, step.lr, step.momentum, step.contrastTop1, step.contrastTop5])
        && areValues([step.imagesPerSecond, step.dataWait])
        && areValues([found?.alignment, found?.uniformity, found?.featureRank])
        && areValues([found?.queueAge, found?.queueFilled, found?.queueSimilarity])
    case .knn(let knn): return isStep(knn.step) && isEpoch(knn.epoch) && (0...100).contains(knn.top1)
    case .detector, .segmenter: return true
    case .losses(let step):
      return isStep(step.step) && isEpoch(step.epoch) && areValues([step.loss, step.lr])
        && areValues(Array(step.losses.values)) && areValues([step.imagesPerSecond, step.dataWait])
    case .detection(let test):
      return isStep(test.step)
        && test.scores.allSatisfy { scores in
          scores.values.allSatisfy { (-100...100).contains($0.percent ?? 0) }
            && scores.classes.allSatisfy { $0.values.allSatisfy { (-100...100).contains($0 ?? 0) } }
        }
    case .segmentation(let test):
      let scores = test.scores
      return isStep(test.step) && scores.values.allSatisfy { (0...100).contains($0.percent ?? 0) }
        && scores.classes.allSatisfy { one in
          [one.iou, one.accuracy, one.instanceIoU].allSatisfy { (0...100).contains($0 ?? 0) }
            && one.pixels >= 0
        }
    case .warning(let warning): return isStep(warning.step)
    case .end(let end): return isStep(end.step) && areValues([end.seconds])
    }
  }
}
