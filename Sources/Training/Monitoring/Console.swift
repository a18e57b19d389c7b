import Files
import Foundation
import Synchronization

/// The user's output of a run: a progress bar on a terminal, plain lines elsewhere.
package final class Console {
  private let isTerminal: Bool
  private let isQuiet: Bool
  private let isSilent: Bool
  private var barWidth = 0
  private var lastShown: ContinuousClock.Instant?

  /// - Parameters:
  ///   - quiet: Only warnings.
  ///   - silent: No output, for ranks other than 0.
  package init(quiet: Bool = false, silent: Bool = false) {
    isSilent = silent
    isTerminal = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    isQuiet = quiet
  }

  /// The content of a progress line.
  package struct Progress: Sendable {
    package var epoch: Double
    /// Nil if the run's length is given in steps.
    package var epochs: Int?
    package var step: Int
    package var steps: Int
    package var loss: Double
    package var contrastTop1: Double?
    package var imagesPerSecond: Double
    package var dataWait: Double
    package var secondsLeft: Double
  }

  /// Prints a permanent line.
  package func say(_ text: String) {
    guard !isQuiet else { return }
    clearBar()
    put(text + "\n")
  }

  /// A warning, always shown.
  package func warn(_ text: String) {
    clearBar()
    let mark = isTerminal ? "\u{1B}[33mwarning:\u{1B}[0m " : "warning: "
    put(mark + text + "\n")
  }

  /// The progress of a pass over images.
  package struct Count: Sendable {
    package var done: Int
    package var total: Int
    package var seconds: Double
    /// The unit of the count.
    package var unit: String

    package init(done: Int, total: Int, seconds: Double, unit: String = "images") {
      (self.done, self.total, self.seconds, self.unit) = (done, total, seconds, unit)
    }
  }

  /// - Parameters:
  ///   - progress: The progress of the run.
  ///   - final: Whether it is the last of the run, which is always shown.
  package func show(_ progress: Progress, final: Bool = false) {
    show(final: final) { Console.line(progress, columns: $0) }
  }

  /// The same for a pass over images; the last image is always shown.
  package func show(_ count: Count) {
    // In a file the first line is not shown at once.
    if lastShown == nil, !isTerminal { lastShown = .now }
    show(final: count.done == count.total) { Console.line(count, columns: $0) }
  }

  /// Shows the progress of listing the shards, if it takes a while, and how to be spared it.
  package func listing() -> (_ done: Int, _ total: Int) -> Void {
    let start = ContinuousClock.now
    let isAdvised = Atomic<Bool>(false)
    return { done, total in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if seconds > 5, done < total, !isAdvised.exchange(true, ordering: .relaxed) {
        self.say("The shards are listed first. An index, written once by `moco index`, spares training this.")
      }
      if seconds > 1 { self.show(Count(done: done, total: total, seconds: seconds, unit: "shards listed")) }
    }
  }

  func show(final: Bool, _ line: (_ columns: Int?) -> String) {
    // A bar may change ten times a second; a file should have few lines.
    let pause: Duration = isTerminal ? .milliseconds(100) : .seconds(10)
    let now = ContinuousClock.now
    if let lastShown, now - lastShown < pause, !final { return }
    lastShown = now
    guard !isQuiet else { return }
    let line = line(isTerminal ? columns() : nil)
    guard isTerminal else { return say(line) }
    put("\r\u{1B}[K\(line)")
    barWidth = line.count
  }

  /// The progress as text; with a bar for a terminal of `columns` columns.
  static func line(_ progress: Progress, columns: Int?) -> String {
    let text =
      "epoch \(fixed(progress.epoch, 2))\(progress.epochs.map { "/\($0)" } ?? "")  step \(progress.step)/\(progress.steps)  "
      + "loss \(fixed(progress.loss, 4))  "
      + (progress.contrastTop1.map { "found \(fixed($0 * 100, 1)) %  " } ?? "")
      + "\(fixed(progress.imagesPerSecond, 0)) images/s  wait \(fixed(progress.dataWait * 100, 0)) %  "
      + "\(duration(progress.secondsLeft)) left"
    return bar(text, done: progress.step, of: progress.steps, columns: columns)
  }

  /// The same for a pass over images.
  static func line(_ count: Count, columns: Int?) -> String {
    let rate = Double(count.done) / max(count.seconds, 1e-9)
    let left = Double(count.total - count.done) / max(rate, 1e-9)
    let text =
      "\(count.done)/\(count.total) \(count.unit)  \(fixed(rate, 0)) \(count.unit)/s  "
      + (count.done == 0 ? "" : "\(duration(left)) left")
    return bar(text, done: count.done, of: count.total, columns: columns)
  }

  static func bar(_ text: String, done: Int, of total: Int, columns: Int?) -> String {
    guard let columns else { return text }
    let room = columns - text.count - 4
    guard room >= 8 else { return String(text.prefix(max(columns - 1, 1))) }
    let width = min(room, 30)
    let full = width * done / max(total, 1)
    return "[" + String(repeating: "█", count: full) + String(repeating: "·", count: width - full) + "] "
      + text
  }

  /// Keeps the bar and continues on the next line.
  package func finish() {
    guard barWidth > 0 else { return }
    put("\n")
    barWidth = 0
  }

  private func clearBar() {
    guard barWidth > 0 else { return }
    put("\r\u{1B}[K")
    barWidth = 0
  }

  /// A closed output must not end a run, so a failed write is ignored.
  private func put(_ text: String) {
    guard !isSilent else { return }
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  private func columns() -> Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
