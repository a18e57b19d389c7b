import Data

/// The detections and annotations of an image and category next to each other, by category, then by image.
struct DetectionPairs: Sendable {
  /// One image and category with a detection.
  struct Pair: Sendable {
    var category: Int32
    var image: Int32
    /// Places in ``found``.
    var foundStart: Int32, foundEnd: Int32
    /// Places in ``truths``.
    var truthStart: Int32, truthEnd: Int32
  }

  /// Rows of the results, by falling score within a pair; no more than the limit.
  private(set) var found: [Int32] = []
  private(set) var scores: [Double] = []
  /// Places among the detections of the pair.
  private(set) var ranks: [Int32] = []
  /// Rows of the annotations, in their order within a pair.
  private(set) var truths: [Int32] = []
  private(set) var pairs: [Pair] = []
  /// Where the detections of a category begin, and one more for the end.
  private(set) var foundStarts: [Int] = []
  private(set) var truthStarts: [Int] = []

  /// A row with its places among images and categories.
  struct Row {
    var row: Int32
    var image: Int32
    var category: Int32
  }

  /// - Parameter limit: The detections of a pair that are kept.
  init(
    found allFound: [Row], score: (Int) -> Double, truths allTruths: [Row], images: Int, categories: Int,
    limit: Int
  ) {
    let found = Self.grouped(allFound, images: images, categories: categories)
    let truths = Self.grouped(allTruths, images: images, categories: categories)
    self.truths = truths.map(\.row)
    truthStarts = Self.starts(of: truths, categories)
    self.found.reserveCapacity(found.count)
    scores.reserveCapacity(found.count)
    ranks.reserveCapacity(found.count)

    var start = 0
    var truth = 0
    var members: [(score: Double, row: Int32)] = []
    while start < found.count {
      let (image, category) = (found[start].image, found[start].category)
      var end = start
      members.removeAll(keepingCapacity: true)
      while end < found.count, found[end].image == image, found[end].category == category {
        members.append((score(Int(found[end].row)), found[end].row))
        end += 1
      }
      Self.sort(&members)
      let first = self.found.count
      for (rank, member) in members.prefix(limit).enumerated() {
        self.found.append(member.row)
        scores.append(member.score)
        ranks.append(Int32(rank))
      }
      while truth < truths.count, truths[truth].isBefore(category, image) { truth += 1 }
      let firstTruth = truth
      while truth < truths.count, truths[truth].image == image, truths[truth].category == category {
        truth += 1
      }
      pairs.append(
        Pair(
          category: category, image: image, foundStart: Int32(first), foundEnd: Int32(self.found.count),
          truthStart: Int32(firstTruth), truthEnd: Int32(truth)))
      start = end
    }
    foundStarts = Array(repeating: self.found.count, count: categories + 1)
    for pair in pairs.reversed() { foundStarts[Int(pair.category)] = Int(pair.foundStart) }
    for category in (0..<categories).reversed() {
      foundStarts[category] = min(foundStarts[category], foundStarts[category + 1])
    }
  }

  /// By category, then image; rows of one pair keep their order.
  private static func grouped(_ rows: [Row], images: Int, categories: Int) -> [Row] {
    sorted(sorted(rows, images) { $0.image }, categories) { $0.category }
  }

  private static func sorted(_ rows: [Row], _ count: Int, _ key: (Row) -> Int32) -> [Row] {
    var next = [Int](repeating: 0, count: count + 1)
    for row in rows { next[Int(key(row)) + 1] += 1 }
    for place in 0..<count { next[place + 1] += next[place] }
    return [Row](unsafeUninitializedCapacity: rows.count) { buffer, initialized in
      for row in rows {
        let place = Int(key(row))
        (buffer.baseAddress! + next[place]).initialize(to: row)
        next[place] += 1
      }
      initialized = rows.count
    }
  }

  private static func starts(of rows: [Row], _ categories: Int) -> [Int] {
    var starts = [Int](repeating: 0, count: categories + 1)
    for row in rows { starts[Int(row.category) + 1] += 1 }
    for place in 0..<categories { starts[place + 1] += starts[place] }
    return starts
  }

  /// By falling score; equal ones keep their order.
  private static func sort(_ members: inout [(score: Double, row: Int32)]) {
    guard members.count > 1 else { return }
    // Most are a few: by insertion. The library's sort keeps the order of equal elements too.
    if members.count > 24 { return members.sort { $0.score > $1.score } }
    for end in 1..<members.count {
      let member = members[end]
      var place = end
      while place > 0, members[place - 1].score < member.score {
        members[place] = members[place - 1]
        place -= 1
      }
      members[place] = member
    }
  }
}

extension DetectionPairs.Row {
  fileprivate func isBefore(_ category: Int32, _ image: Int32) -> Bool {
    self.category < category || (self.category == category && self.image < image)
  }
}
