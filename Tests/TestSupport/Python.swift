import Foundation

/// The Python that oracles are taken from: that of the environment variable PYTHON, which `scripts/test` sets to the one
/// that `scripts/python` makes, or else python3.
public struct Python: Sendable {
  private static let path = ProcessInfo.processInfo.environment["PYTHON"] ?? "python3"

  /// Nothing, with the reason printed, where it does not have these modules.
  /// - Parameter distribution: a package that must be installed, but is not imported.
  public static func importing(_ modules: String..., distribution: String? = nil) -> Python? {
    let python = Python()
    let installed =
      distribution.map { "; import importlib.metadata; importlib.metadata.version('\($0)')" } ?? ""
    do {
      try python.run("import \(modules.joined(separator: ", "))\(installed)")
      return python
    } catch {
      let names = (modules + [distribution].compactMap { $0 }).joined(separator: ", ")
      print("Skipped: \(path) cannot import \(names). Set PYTHON, or run scripts/test.")
      return nil
    }
  }

  public struct Failure: Error {
    public let code: Int32
    public let errors: String
  }

  /// What the script prints.
  @discardableResult
  public func run(_ script: String, _ arguments: [String] = []) throws -> Data {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [Python.path, "-c", script] + arguments
    // To files: a script that fills one pipe while the other is read would wait for ever.
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (output, errors) = (URL(filePath: "\(folder)/output"), URL(filePath: "\(folder)/errors"))
    for file in [output, errors] { try Data().write(to: file) }
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(code: process.terminationStatus, errors: try String(contentsOf: errors, encoding: .utf8))
    }
    return try Data(contentsOf: output)
  }
}
