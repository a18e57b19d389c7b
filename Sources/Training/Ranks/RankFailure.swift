/// The failure that ended all ranks of a run; each of them throws it.
public struct RankFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
  /// Whether this rank found it. Where all ranks write to one terminal, the others need not say it again.
  public let isOwn: Bool

  init(_ description: String, isOwn: Bool) {
    self.description = description
    self.isOwn = isOwn
  }
}
