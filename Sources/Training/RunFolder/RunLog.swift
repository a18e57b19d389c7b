import Files
import Foundation
import Methods
import Torch

/// One line of `log.jsonl`.
package enum RunEvent: Codable, Sendable, Equatable {
  case start(Start)
  case step(Step)
  case knn(KNN)
  case detector(TaskStart<DetectConfig>)
  case segmenter(TaskStart<SegmentConfig>)
  case losses(Losses)
  case detection(Detection)
  case segmentation(Segmentation)
  case warning(Warning)
  case end(End)

  package struct Start: Codable, Sendable, Equatable {
    package var time: String
    package var config: RunConfig
    package var data: String
    package var images: Int
    package var host: Host
    /// The step that was resumed from; nil for a new run.
    package var resumedFrom: Int?
    /// The data set: an absolute path, a pattern of shards, or a command. Nil in older logs.
    package var dataPath: String?
    /// The kNN test images, in the same form; nil if kNN is not measured.
    package var knnTestPath: String?
    /// A checksum of its images' names and labels and of a few images; nil in older logs.
    package var dataFingerprint: UInt32?
    /// The same for kNN's bank and query images; nil if kNN is not measured.
    package var knnFingerprints: [UInt32]?
    /// The number of processes that train together; nil in older logs.
    package var ranks: Int?
    /// Sentences about a start from given weights or from another run, and about the times that were measured; nil for
    /// other starts.
    package var notes: [String]?
  }

  package struct Host: Codable, Sendable, Equatable {
    package var system: String
    package var cores: Int
    package var threads: Int
    package var device: String
    package var libtorch: String
    package var cpuCapability: String

    /// This machine's.
    static func here(on device: Device) -> Host {
      Host(
        system: ProcessInfo.processInfo.operatingSystemVersionString, cores: Cores.own.count,
        threads: Runtime.threads, device: device.description, libtorch: Runtime.version,
        cpuCapability: Runtime.cpuCapability)
    }
  }

  package struct Step: Codable, Sendable, Equatable {
    package var step: Int
    /// Counted from 0, with its fraction.
    package var epoch: Double
    package var loss: Double
    package var lr: Double
    /// The EMA's m; nil for methods without a momentum encoder.
    package var momentum: Double?
    /// The share of positive keys found, 0 … 1, for rank 0's images; nil for methods without positives.
    package var contrastTop1: Double?
    package var contrastTop5: Double?
    package var imagesPerSecond: Double
    /// The share of the time spent waiting for data, 0 … 1.
    package var dataWait: Double
    /// Its keys are written into the same line; nil in older logs.
    package var diagnostics: Diagnostics?

    private enum CodingKeys: CodingKey {
      case step, epoch, loss, lr, momentum, contrastTop1, contrastTop5, imagesPerSecond, dataWait
    }
  }

  package struct KNN: Codable, Sendable, Equatable {
    package var step: Int
    package var epoch: Double
    /// Percent.
    package var top1: Double
  }

  package struct Warning: Codable, Sendable, Equatable {
    package var step: Int
    package var message: String
  }

  package struct End: Codable, Sendable, Equatable {
    package enum Status: String, Codable, Sendable { case finished, stopped, failed }
    package var status: Status
    package var step: Int
    package var seconds: Double
    package var reason: String?
    /// The step, counted from 1, whose loss or weights were not finite.
    package var divergedAt: Int?
  }

  private enum Name: String, Codable {
    case start, step, knn, detector, segmenter, losses, detection, segmentation, warning, end
  }
  private struct Tag: Codable { var event: Name }

  package init(from decoder: Decoder) throws {
    switch try Tag(from: decoder).event {
    case .start: self = .start(try Start(from: decoder))
    case .step:
      var step = try Step(from: decoder)
      step.diagnostics = try? Diagnostics(from: decoder)
      self = .step(step)
    case .knn: self = .knn(try KNN(from: decoder))
    case .detector: self = .detector(try TaskStart(from: decoder))
    case .segmenter: self = .segmenter(try TaskStart(from: decoder))
    case .losses: self = .losses(try Losses(from: decoder))
    case .detection: self = .detection(try Detection(from: decoder))
    case .segmentation: self = .segmentation(try Segmentation(from: decoder))
    case .warning: self = .warning(try Warning(from: decoder))
    case .end: self = .end(try End(from: decoder))
    }
  }

  package func encode(to encoder: Encoder) throws {
    func write(_ name: Name, _ body: some Encodable) throws {
      try Tag(event: name).encode(to: encoder)
      try body.encode(to: encoder)
    }
    switch self {
    case .start(let body): try write(.start, body)
    case .step(let body):
      try write(.step, body)
      try body.diagnostics?.encode(to: encoder)
    case .knn(let body): try write(.knn, body)
    case .detector(let body): try write(.detector, body)
    case .segmenter(let body): try write(.segmenter, body)
    case .losses(let body): try write(.losses, body)
    case .detection(let body): try write(.detection, body)
    case .segmentation(let body): try write(.segmentation, body)
    case .warning(let body): try write(.warning, body)
    case .end(let body): try write(.end, body)
    }
  }
}

/// `log.jsonl`: one JSON object per line, flushed line by line.
package final class RunLog {
  private let path: String
  private let file: FileHandle
  private let encoder: JSONEncoder

  private static func makeEncoder() -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }

  /// Opens or continues a log. If a run resumes from `step`, the lines after it are removed, because these
  /// steps run again; an incomplete last line is removed too.
  package init(path: String, resumingFrom step: Int) throws {
    encoder = RunLog.makeEncoder()
    self.path = path
    let kept = RunLog.lines(path).filter { ($0.place.step ?? 0) <= step }
    try replaceFile(path, with: kept.map { $0.text + "\n" }.joined())
    do {
      file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try file.seekToEnd()
    } catch {
      throw cannotWrite(path, error)
    }
  }

  package func write(_ event: RunEvent) throws {
    var line = try encoder.encode(event)
    line.append(UInt8(ascii: "\n"))
    do {
      try file.write(contentsOf: line)
    } catch {
      throw cannotWrite(path, error)
    }
  }

  /// The events of a log, in order; unknown kinds of lines are left out.
  package static func read(_ path: String) -> [RunEvent] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return lines(path).compactMap { try? decoder.decode(RunEvent.self, from: Data($0.text.utf8)) }
  }

  /// The step of a line: the only field needed in lines from other versions.
  private struct Place: Decodable { var step: Int? }

  /// The complete lines; a line that was cut off by the end of a process is left out.
  private static func lines(_ path: String) -> [(text: String, place: Place)] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    let decoder = JSONDecoder()
    return String(decoding: data, as: UTF8.self).split(separator: "\n").compactMap { line in
      (try? decoder.decode(Place.self, from: Data(line.utf8))).map { (String(line), $0) }
    }
  }
}
