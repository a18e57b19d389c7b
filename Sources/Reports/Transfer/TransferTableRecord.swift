import Files
import Foundation

/// `record.json`: how a command of a transfer table stands.
struct TransferTableRecord: Codable, Equatable {
  enum State: String, Codable { case begun, finished, failed }

  var state: State
  /// As ``TransferTableJob/arguments``.
  var arguments: [String]
  /// As a shell takes it, with the program.
  var command: String
  /// Why it failed.
  var reason: String?
  /// Of all its processes.
  var seconds = 0.0
  /// When it was begun, in ISO 8601.
  var begun: String
  var host: String
  /// Identifies the file of weights it began with.
  var weights: String?

  private static func path(_ folder: String) -> String { folder + "/record.json" }

  /// The record in a folder; nil if there is none.
  static func read(_ folder: String) throws -> TransferTableRecord? {
    guard let data = FileManager.default.contents(atPath: path(folder)) else { return nil }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let record = try? decoder.decode(TransferTableRecord.self, from: data), record.seconds.isFinite
    else {
      throw UsageError(
        "\(path(folder)): this is no record of `moco transfer`: it was damaged. Remove the folder, and the same command "
          + "runs it again.")
    }
    return record
  }

  func write(_ folder: String) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    try replaceFile(TransferTableRecord.path(folder), with: encoder.encode(self) + Data("\n".utf8))
  }

  /// Of ``arguments``, those that a result depends on.
  var lasting: [String] { TransferTableRecord.lasting(arguments) }

  /// Without options of the machine and of the course of a run.
  static func lasting(_ arguments: [String]) -> [String] {
    let others: Set = [
      "--device", "--workers", "--nproc", "--timeout", "--save-every", "--log-every", "--keep", "--on-usr1",
    ]
    var lasting: [String] = []
    var rest = arguments[...]
    while let word = rest.popFirst() {
      if others.contains(word) { rest = rest.dropFirst() } else { lasting.append(word) }
    }
    return lasting
  }

  /// This machine: its name, system and cores.
  static var here: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)  // Foundation's hostName uses DNS
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let cores = Cores.own.count
    return
      "\(host): \(ProcessInfo.processInfo.operatingSystemVersionString), \(cores) \(cores == 1 ? "core" : "cores")"
  }
}
