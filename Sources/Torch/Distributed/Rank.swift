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

/// How the rows of a batch are dealt to the ranks.
public enum Dealing: Sendable, Equatable {
  /// Each rank has consecutive rows.
  case consecutive
  /// Rank *r* of *R* has the rows whose index is ≡ *r* modulo *R*. Where *R* divides the number of groups of
  /// batch normalisation, every group of the batch (``BatchNorm2d``) then lies on one rank as a whole.
  case inTurns
}

extension Rank {
  /// The indices of its rows in a batch of `size` rows, in order. `size` must be a multiple of the ranks.
  public func rows(of size: Int, dealt: Dealing) -> StrideTo<Int> {
    let share = size / count
    return switch dealt {
    case .consecutive: stride(from: number * share, to: (number + 1) * share, by: 1)
    case .inTurns: stride(from: number, to: size, by: count)
    }
  }

  /// Whether a row of a batch of `size` rows is its own.
  public func owns(_ row: Int, of size: Int, dealt: Dealing) -> Bool {
    switch dealt {
    case .consecutive: row / (size / count) == number
    case .inTurns: row % count == number
    }
  }
}

extension Dealing {
  /// The place of each row of a batch of `size` rows among all ranks' rows, one rank's after the other's.
  public func places(of size: Int, ranks: Int) -> [Int] {
    switch self {
    case .consecutive: Array(0..<size)
    case .inTurns: (0..<size).map { $0 % ranks * (size / ranks) + $0 / ranks }
    }
  }
}
