import Distributed
import TestSupport
import Testing

/// What ranks tell one another.
@Suite(.serialized) struct RankContextTests {
  private struct Note: Codable, Equatable {
    let number: Int
    let name: String
    let text: String
  }

  @Test func valuesOfAnySizeComeInTheOrderOfTheRanks() async throws {
    let lists = try await withRankContexts(3) { context in
      let number = context.rank.number
      let own = (0..<number * 2).map { Note(number: $0, name: "ä/\(number)\n", text: "\"\(number)\"") }
      return try context.allGather(own)
    }
    #expect(lists.count == 3 && lists[0] == lists[1] && lists[1] == lists[2])
    #expect(lists[0].map(\.count) == [0, 2, 4])
    #expect(lists[0][2][3] == Note(number: 3, name: "ä/2\n", text: "\"2\""))
  }
}
