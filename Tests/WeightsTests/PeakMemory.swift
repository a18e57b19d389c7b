import Foundation
import Testing

/// Runs `body` and expects the process never to have grown by `limit` bytes meanwhile. Other suites run beside it,
/// which are small.
func withoutMuchMemory<Value>(_ limit: Int, _ body: () throws -> Value) throws -> Value {
  #if os(Linux)
    // Sets the peak back to what is resident now. Where that is not allowed, only a new peak shows.
    try? Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    let (before, peakBefore) = (try residentBytes("VmRSS"), try residentBytes("VmHWM"))
    let value = try body()
    let peak = try residentBytes("VmHWM")
    if peak > peakBefore { #expect(peak - before < limit, "\((peak - before) >> 20) MB") }
    return value
  #else
    return try body()
  #endif
}

#if os(Linux)
  /// A line of /proc/self/status, "name: number kB".
  private func residentBytes(_ name: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + ":") })
    return try #require(line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
      << 10
  }
#endif
