import Files
import Images
import TensorBoard

/// Writes a run's events to `log.jsonl` and, for TensorBoard, to `events.out.tfevents.*`.
final class EventWriter {
  private let log: RunLog
  private let board: EventFile
  private let viewsPath: String
  /// The latest step with warnings. TensorBoard keeps one text per step, so a step's warnings are joined.
  private var warnings: (step: Int, messages: [String]) = (0, [])

  /// Opens or continues the log and begins a new event file; see ``RunLog/init(path:resumingFrom:)``.
  init(_ folder: RunFolder, resumingFrom step: Int) throws {
    viewsPath = folder.viewsPath
    log = try RunLog(path: folder.logPath, resumingFrom: step)
    do {
      board = try EventFile(in: folder.path, resumingFrom: step)
    } catch {
      throw cannotWrite("\(folder.path)/events.out.tfevents.*", error)
    }
  }

  func write(_ event: RunEvent) throws {
    try log.write(event)
    do {
      try show(event)
    } catch {
      throw cannotWrite(board.path, error)
    }
  }

  /// Saves a picture of the first step's views: `views.png`, and TensorBoard's image of the same name.
  func write(views: RGBImage) throws {
    try replaceFile(viewsPath, with: views.pngData())
    do {
      try board.write(image: views, tag: "views", step: 1)
    } catch {
      throw cannotWrite(board.path, error)
    }
  }

  private func show(_ event: RunEvent) throws {
    switch event {
    case .start(let start):
      try show(start.config, of: start.data, resumedFrom: start.resumedFrom)
    case .detector(let start):
      try show(start.config, of: start.train, resumedFrom: start.resumedFrom)
    case .segmenter(let start):
      try show(start.config, of: start.train, resumedFrom: start.resumedFrom)
    case .losses(let losses):
      try board.write(scalars: losses.curves, step: losses.step)
    case .detection(let test):
      try board.write(scalars: test.curves, step: test.step)
    case .segmentation(let test):
      try board.write(scalars: test.scores.curves, step: test.step)
    case .step(let step):
      try board.write(scalars: step.curves, step: step.step)
    case .knn(let knn):
      try board.write(scalars: [("knn/top1", knn.top1)], step: knn.step)
    case .warning(let warning):
      if warning.step != warnings.step { warnings = (warning.step, []) }
      warnings.messages.append("- \(warning.message)")
      try board.write(text: warnings.messages.joined(separator: "\n"), tag: "warnings", step: warning.step)
    case .end: break
    }
  }

  /// At the session's first step, so that a session that begins there again replaces it.
  private func show(_ config: some CommandConfig, of data: String, resumedFrom step: Int?) throws {
    let text = "\(data)\n\n```\n\(try config.yaml())```"
    try board.write(text: text, tag: "config", step: (step ?? 0) + 1)
  }
}

extension RunEvent.Step {
  /// TensorBoard's curves for a step: one per field of the log. Values that were not measured have no point.
  var curves: [(tag: String, value: Double)] {
    let all: [(tag: String, value: Double?)] = [
      ("train/loss", loss),
      ("train/lr", lr),
      ("train/momentum", momentum),
      ("train/epoch", epoch),
      ("contrast/top1", contrastTop1),
      ("contrast/top5", contrastTop5),
      ("features/alignment", diagnostics?.alignment),
      ("features/uniformity", diagnostics?.uniformity),
      ("features/rank", diagnostics?.featureRank),
      ("queue/age", diagnostics?.queueAge),
      ("queue/filled", diagnostics?.queueFilled),
      ("queue/neighbour_similarity", diagnostics?.queueSimilarity),
      ("speed/images_per_second", imagesPerSecond),
      ("speed/data_wait", dataWait),
    ]
    return all.compactMap { curve in curve.value.map { (curve.tag, $0) } }
  }
}
