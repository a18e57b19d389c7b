import Foundation

/// The built `moco`, run as a user runs it.
struct Program {
  struct Result {
    let code: Int32
    let output: String
    let errors: String
  }

  /// Beside the test bundle, where `swift build` puts products.
  static let path: String = {
    var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    if let bundle = Bundle.allBundles.first(where: { $0.bundlePath.hasSuffix(".xctest") }) {
      folder = bundle.bundleURL.deletingLastPathComponent()
    }
    return folder.appending(path: "moco").path
  }()

  static func start(
    _ arguments: [String], errors: Pipe = Pipe(), output: Pipe = Pipe(), in folder: String? = nil,
    threads: Int = 1, variables: [String: String] = [:]
  ) throws -> Process {
    let process = Process()
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardOutput = output
    process.standardError = errors
    var environment = ProcessInfo.processInfo.environment
    environment["OMP_NUM_THREADS"] = "\(threads)"  // one: tests run beside each other on few cores
    process.environment = environment.merging(variables) { _, new in new }
    try process.run()
    return process
  }

  /// Runs to the end.
  static func run(_ arguments: String...) throws -> Result { try run(arguments) }

  /// - Parameter folder: where it is started.
  static func run(_ arguments: [String], in folder: String? = nil, threads: Int = 1) throws -> Result {
    let (errors, output) = (Pipe(), Pipe())
    let process = try start(arguments, errors: errors, output: output, in: folder, threads: threads)
    let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let outputText = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Result(code: process.terminationStatus, output: outputText, errors: errorText)
  }
}
