/// The failure that ended all ranks of a run; each of them throws it.
package struct RankFailure: Error, Sendable, Equatable, CustomStringConvertible {
  package let description: String
  /// The program's exit code: 2 for wrong use, else 1.
  package let code: Int32

  init(_ description: String, code: Int32) {
    self.description = String(description.prefix(4000))
    self.code = code
  }

  /// The value in the store: the code, then the message.
  var settled: String { "\(code) \(description)" }

  init(settled text: String) {
    let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
    self.init(parts.last ?? text, code: parts.first.flatMap { Int32($0) } ?? 1)
  }
}
