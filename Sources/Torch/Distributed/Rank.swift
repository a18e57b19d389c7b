/// One of the processes that train together.
public struct Rank: Sendable, Equatable {
  /// 0 ..< ``count``
  public let number: Int
  public let count: Int

  public static let only = Rank(0, of: 1)

  /// Traps unless 0 ≤ number < count.
  public init(_ number: Int, of count: Int) {
    precondition((0..<count).contains(number), "rank \(number) of \(count)")
    (self.number, self.count) = (number, count)
  }
}
