import Files

extension Console {
  /// The content of a progress line of a task's training.
  struct LossProgress {
    var step: Int
    var steps: Int
    /// By detectron2's names.
    var losses: [String: Double]
    var imagesPerSecond: Double
    var dataWait: Double
    var secondsLeft: Double
  }

  /// - Parameter final: Whether it is the last of the run, which is always shown.
  func show(_ progress: LossProgress, final: Bool = false) {
    show(final: final) { Console.line(progress, columns: $0) }
  }

  /// The progress as text: boxes, masks, keypoints and proposals apart.
  static func line(_ progress: LossProgress, columns: Int?) -> String {
    let losses = progress.losses
    func sum(_ names: String...) -> Double? {
      let found = names.compactMap { losses[$0] }
      return found.isEmpty ? nil : found.reduce(0, +)
    }
    let parts: [(String, Double?)] = [
      ("loss", losses.values.sorted().reduce(0, +)), ("boxes", sum("loss_cls", "loss_box_reg")),
      ("masks", sum("loss_mask")), ("keypoints", sum("loss_keypoint")),
      ("proposals", sum("loss_rpn_cls", "loss_rpn_loc")),
    ]
    let text =
      "step \(progress.step)/\(progress.steps)  "
      + parts.compactMap { name, value in value.map { "\(name) \(fixed($0, 3))  " } }.joined()
      + "\(fixed(progress.imagesPerSecond, 1)) images/s  wait \(fixed(progress.dataWait * 100, 0)) %  "
      + "\(duration(progress.secondsLeft)) left"
    return bar(text, done: progress.step, of: progress.steps, columns: columns)
  }
}
