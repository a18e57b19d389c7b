import Evaluation
import Files

// Lines of the log of a task's training.

extension RunEvent {
  /// The start of a session.
  package struct TaskStart<Config: TransferConfig>: Codable, Sendable, Equatable {
    package var time: String
    package var config: Config
    package var train: String
    package var images: Int
    package var classes: [String]
    /// As they were given; nil of a test alone, or of a run without one.
    package var trainData: String?
    package var testData: String?
    package var host: Host
    /// The step that was resumed from; nil for a new run.
    package var resumedFrom: Int?
    package var dataFingerprint: UInt32?
    package var ranks: Int
    /// Sentences about the weights it starts from.
    package var notes: [String]?
  }

  /// A step.
  package struct Losses: Codable, Sendable, Equatable {
    package var step: Int
    /// Counted from 0, with its fraction.
    package var epoch: Double
    /// The sum.
    package var loss: Double
    /// By detectron2's names: `loss_cls`, `loss_box_reg`, …; of segmentation `loss_sem_seg`.
    package var losses: [String: Double]
    package var lr: Double
    /// Of an image, in the mean over rank 0's; nil of a task without boxes.
    package var proposals: Double?
    package var foreground: Double?
    package var imagesPerSecond: Double
    /// The share of the time spent waiting for data, 0 … 1.
    package var dataWait: Double
  }

  /// A test of a detector.
  package struct Detection: Codable, Sendable, Equatable {
    package var step: Int
    package var metric: DetectionMetric
    package var images: Int
    package var detections: Int
    package var seconds: Double
    /// Of boxes, and of masks or keypoints.
    package var scores: [DetectionScores]
  }

  /// A test of a segmenter.
  package struct Segmentation: Codable, Sendable, Equatable {
    package var step: Int
    package var images: Int
    package var seconds: Double
    package var scores: SegmentationScores
  }
}

extension RunEvent.Losses {
  /// TensorBoard's curves.
  var curves: [(tag: String, value: Double)] {
    [("train/loss", loss), ("train/lr", lr), ("train/epoch", epoch)]
      + losses.sorted { $0.key < $1.key }.map { ("loss/\($0.key.replacing("loss_", with: ""))", $0.value) }
      + [("boxes/proposals", proposals), ("boxes/foreground", foreground)].compactMap { tag, value in
        value.map { (tag, $0) }
      } + [("speed/images_per_second", imagesPerSecond), ("speed/data_wait", dataWait)]
  }
}

extension RunEvent.Detection {
  var curves: [(tag: String, value: Double)] {
    scores.flatMap { scores in
      scores.values.compactMap { value in
        value.percent.map { ("\(scores.kind.rawValue)/\(value.name)", $0) }
      }
    }
  }
}

extension RunEvent.Detection: TransferTest {
  package init?(_ event: RunEvent) {
    guard case .detection(let test) = event else { return nil }
    self = test
  }

  package var event: RunEvent { .detection(self) }

  package var summary: String { "\(detections) detections in \(images) images" }

  package var lines: [String] {
    [
      "test on \(images) images by the rules of \(metric.rawValue), \(detections) detections, "
        + duration(seconds)
    ] + scores.flatMap { $0.table() }
  }
}

extension RunEvent.Segmentation: TransferTest {
  package init?(_ event: RunEvent) {
    guard case .segmentation(let test) = event else { return nil }
    self = test
  }

  package var event: RunEvent { .segmentation(self) }

  package var summary: String { "label maps of \(images) images" }

  package var lines: [String] {
    ["test on \(images) images at their own size, \(duration(seconds))"] + scores.table()
  }
}

extension SegmentationScores {
  /// TensorBoard's curves.
  var curves: [(tag: String, value: Double)] {
    values.compactMap { value in value.percent.map { ("segmentation/\(value.name)", $0) } }
  }
}
