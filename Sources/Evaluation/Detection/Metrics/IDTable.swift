/// Ascending ids and the places of these.
struct IDTable: Sendable {
  let ids: [Int]
  private let first: Int
  /// The places of ids that lie close together.
  private let close: [Int32]
  private let apart: [Int: Int32]

  init(_ all: some Sequence<Int>) {
    ids = Array(Set(all)).sorted()
    first = ids.first ?? 0
    let span = (ids.last ?? 0).subtractingReportingOverflow(first)
    if !span.overflow, span.partialValue < 16 * ids.count + 1024 {
      var close = [Int32](repeating: -1, count: span.partialValue + 1)
      for (place, id) in ids.enumerated() { close[id - first] = Int32(place) }
      (self.close, apart) = (close, [:])
    } else {
      (close, apart) = ([], Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, Int32($0)) }))
    }
  }

  var count: Int { ids.count }

  /// −1 for an id that is not there.
  func place(_ id: Int) -> Int32 {
    if close.isEmpty { return apart[id] ?? -1 }
    let (offset, isOver) = id.subtractingReportingOverflow(first)
    return !isOver && close.indices.contains(offset) ? close[offset] : -1
  }
}
