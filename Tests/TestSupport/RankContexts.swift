import Distributed

/// Runs `body` in every rank of a context, on threads.
package func withRankContexts<Result: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (RankContext) throws -> Result
) async throws -> [Result] {
  try await withRankThreads(count) { rank, port in
    let environment = RankEnvironment(
      rank: rank, localNumber: rank.number, host: "127.0.0.1", ports: [port], isServedByRank0: false)
    let context = try RankContext.meet(environment, timeout: .seconds(60))
    defer { context.leave() }
    return try context.run { try body(context) }
  }
}
