import Foundation

/// Runs `body` and fails where the process grows by `limit` bytes meanwhile. Suites that run beside it may be large, so
/// `body` is run again after a pause: memory that it takes itself is taken every time.
public func withoutMuchMemory<Value>(_ limit: Int, _ body: () throws -> Value) throws -> Value {
  #if os(Linux)
    for _ in 0..<9 {
      if let value = try? withPeak(below: limit, body) { return value }
      Thread.sleep(forTimeInterval: 2)
    }
    return try withPeak(below: limit, body)
  #else
    return try body()
  #endif
}

#if os(Linux)
  private func withPeak<Value>(below limit: Int, _ body: () throws -> Value) throws -> Value {
    // Sets the peak back to what is resident now. Where that is not allowed, only a new peak shows.
    try? Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    let (before, peakBefore) = (try residentBytes("VmRSS"), try residentBytes("VmHWM"))
    let value = try body()
    let peak = try residentBytes("VmHWM")
    guard peak <= peakBefore || peak - before < limit else {
      throw MuchMemory(megabytes: (peak - before) >> 20)
    }
    return value
  }
#endif

/// So much memory was taken.
public struct MuchMemory: Error {
  public let megabytes: Int
}

#if os(Linux)
  /// A line of /proc/self/status, "name: number kB".
  private func residentBytes(_ name: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    let number = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
    guard let number else { throw MissingLine(name: name) }
    return number << 10
  }

  private struct MissingLine: Error { let name: String }
#endif
