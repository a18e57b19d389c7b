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
    dealt.owner(of: row, of: size, ranks: count).rank == number
  }
}

extension Dealing {
  /// The rank that has a row of a batch of `size` rows, and the row's place among its rows.
  public func owner(of row: Int, of size: Int, ranks: Int) -> (rank: Int, place: Int) {
    switch self {
    case .consecutive: (row / (size / ranks), row % (size / ranks))
    case .inTurns: (row % ranks, row / ranks)
    }
  }

  /// The place of each row of a batch of `size` rows among all ranks' rows, one rank's after the other's.
  public func places(of size: Int, ranks: Int) -> [Int] {
    (0..<size).map { row in
      let (rank, place) = owner(of: row, of: size, ranks: ranks)
      return rank * (size / ranks) + place
    }
  }
}
