import Foundation

/// One line of `log.jsonl`.
public enum RunEvent: Codable, Sendable, Equatable {
  case start(Start)
  case step(Step)
  case knn(KNN)
  case warning(Warning)
  case end(End)

  public struct Start: Codable, Sendable, Equatable {
    public var time: String
    public var config: RunConfig
    public var data: String
    public var images: Int
    public var host: Host
    /// The step that was resumed from; nothing for a new run.
    public var resumedFrom: Int?
  }

  public struct Host: Codable, Sendable, Equatable {
    public var system: String
    public var cores: Int
    public var threads: Int
    public var device: String
    public var libtorch: String
    public var cpuCapability: String
  }

  public struct Step: Codable, Sendable, Equatable {
    public var step: Int
    /// Counted from 0, with its fraction.
    public var epoch: Double
    public var loss: Double
    public var lr: Double
    /// The EMA's m.
    public var momentum: Double
    /// Shares, 0 … 1.
    public var contrastTop1: Double
    public var contrastTop5: Double
    public var imagesPerSecond: Double
    /// The share of the time spent waiting for data, 0 … 1.
    public var dataWait: Double
  }

  public struct KNN: Codable, Sendable, Equatable {
    public var step: Int
    public var epoch: Double
    /// Percent.
    public var top1: Double
  }

  public struct Warning: Codable, Sendable, Equatable {
    public var step: Int
    public var message: String
  }

  public struct End: Codable, Sendable, Equatable {
    public enum Status: String, Codable, Sendable { case finished, stopped, failed }
    public var status: Status
    public var step: Int
    public var seconds: Double
    public var reason: String?
  }

  private enum Name: String, Codable { case start, step, knn, warning, end }
  private struct Tag: Codable { var event: Name }

  public init(from decoder: Decoder) throws {
    switch try Tag(from: decoder).event {
    case .start: self = .start(try Start(from: decoder))
    case .step: self = .step(try Step(from: decoder))
    case .knn: self = .knn(try KNN(from: decoder))
    case .warning: self = .warning(try Warning(from: decoder))
    case .end: self = .end(try End(from: decoder))
    }
  }

  public func encode(to encoder: Encoder) throws {
    func write(_ name: Name, _ body: some Encodable) throws {
      try Tag(event: name).encode(to: encoder)
      try body.encode(to: encoder)
    }
    switch self {
    case .start(let body): try write(.start, body)
    case .step(let body): try write(.step, body)
    case .knn(let body): try write(.knn, body)
    case .warning(let body): try write(.warning, body)
    case .end(let body): try write(.end, body)
    }
  }

  /// The step an event belongs to; nothing for those about the whole run.
  var step: Int? {
    switch self {
    case .step(let body): body.step
    case .knn(let body): body.step
    case .warning(let body): body.step
    case .start, .end: nil
    }
  }
}

/// `log.jsonl`: one JSON object a line, flushed line by line.
public final class RunLog {
  private let file: FileHandle
  private let encoder: JSONEncoder

  private static func makeEncoder() -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }

  /// Opens or continues a log. When a run resumes from `step`, what a killed run wrote after its last
  /// checkpoint goes, because it will happen again; so does a line that was cut off.
  public init(path: String, resumingFrom step: Int?) throws {
    encoder = RunLog.makeEncoder()
    let url = URL(fileURLWithPath: path)
    if let step {
      let kept = try RunLog.lines(path).filter { ($0.event.step ?? 0) <= step }.map { $0.text + "\n" }
        .joined()
      try Data(kept.utf8).write(to: url, options: .atomic)
    } else {
      try Data().write(to: url)
    }
    file = try FileHandle(forWritingTo: url)
    try file.seekToEnd()
  }

  public func write(_ event: RunEvent) throws {
    var line = try encoder.encode(event)
    line.append(UInt8(ascii: "\n"))
    try file.write(contentsOf: line)
  }

  /// The events of a log, in order. A last line that was cut off is left out.
  public static func read(_ path: String) throws -> [RunEvent] { try lines(path).map(\.event) }

  private static func lines(_ path: String) throws -> [(text: String, event: RunEvent)] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    return text.split(separator: "\n").compactMap { line in
      guard let event = try? decoder.decode(RunEvent.self, from: Data(line.utf8)) else { return nil }
      return (String(line), event)
    }
  }
}
