import Files
import Foundation
import TestSupport
import Testing
import Torch
@testable import Distributed

/// Launches that meet one another at the same ports.
@Suite(.serialized) struct RankStoreTests {
  private func environment(
    _ number: Int, of count: Int = 2, _ launch: String, at ports: [UInt16]
  ) -> RankEnvironment {
    RankEnvironment(
      rank: Rank(number, of: count), localNumber: 0, host: "127.0.0.1", ports: ports, isServedByRank0: true,
      identity: launch)
  }

  /// Ports without a listener at this moment.
  private func freePorts(_ count: Int) throws -> [UInt16] {
    let stores = try (0..<count).map { _ in
      try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
    }
    return stores.map(\.port)
  }

  @Test func launchesWithEqualPortsDoNotMix() async throws {
    let ports = try freePorts(6)
    // The ranks of four launches of two; each must get its own launch's number.
    let sums = try await withThreads(8) { thread in
      let launch = thread / 2
      let context = try RankContext.meet(
        environment(thread % 2, "launch \(launch)", at: ports), timeout: .seconds(60))
      defer { context.leave() }
      return try context.run { try context.rows([Double(launch)]).map { $0[0] } }
    }
    for (thread, sum) in sums.enumerated() { #expect(sum == [Double(thread / 2), Double(thread / 2)]) }
  }

  @Test func aHostThatDoesNotExistIsNamedInOneLine() throws {
    let lost = RankEnvironment(
      rank: Rank(1, of: 2), localNumber: 1, host: "no-such-host.invalid", ports: [29_500],
      isServedByRank0: true,
      identity: "lost")
    let error = #expect(throws: RunError.self) { try RankContext.meet(lost, timeout: .seconds(1)) }
    let text = error.map { "\($0)" } ?? ""
    #expect(
      text.hasPrefix(
        "rank 1 of 2 did not meet the others at no-such-host.invalid:29500 within 1.0 seconds: the host "
          + "no-such-host.invalid is not found: ")
        && text.hasSuffix(
          ". Start all ranks, check that this address is reached from every machine, or give them more --timeout."
        )
        && !text.contains("\n"), "\(text)")
  }

  @Test func aServerThatNeverAnswersIsPassedBy() throws {
    let silent = try #require(SilentServer())
    let next = try freePorts(1)
    let store = try RankStore(environment(0, "a", at: [silent.port] + next), timeout: .seconds(60)).open()
    #expect(store.port == next[0])
    let began = ContinuousClock.now
    let found = try RankStore(environment(1, "a", at: [silent.port] + next), timeout: .seconds(60)).open()
    #expect(found.port == next[0])
    #expect(ContinuousClock.now - began < .seconds(40), "two seconds for the silent one on an idle machine")
  }

  @Test func aForeignStoreIsLeftUntouched() throws {
    let foreign = try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
    try foreign.set("launch", "Slurm step 1.0")
    let error = #expect(throws: RunError.self) {
      try RankContext.meet(environment(1, "Slurm step 2.0", at: [foreign.port]), timeout: .seconds(10))
    }
    #expect(
      error?.description.contains("the ranks there belong to another launch (Slurm step 1.0)") == true,
      "\(error?.description ?? "")")
    for key in ["claims/1", "claimed/1", "beat/1"] { #expect(try !foreign.hasValues(of: [key])) }
  }

  /// The next command of a launcher has the identity of the one before, whose rank 0 may still be ending.
  @Test func aLaunchThatHasEndedIsNotFoundAgain() async throws {
    let ports = try freePorts(2)
    let (hasEnded, isSearched) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let findings = try await withThreads(2) { number in
      let context = try RankContext.meet(environment(number, "a", at: ports), timeout: .seconds(60))
      try context.run {}
      context.leave()
      guard number == 1 else {
        hasEnded.signal()
        withExtendedLifetime(context) { _ = isSearched.wait(timeout: .now() + 60) }
        return ""
      }
      _ = hasEnded.wait(timeout: .now() + 60)
      defer { isSearched.signal() }
      return try failure(RunError.self) {
        _ = try RankStore(environment(1, "a", at: ports), timeout: .seconds(10)).open()
      }.description
    }
    #expect(findings[1] == "the ranks there belong to another launch (ended)")
  }

  @Test func otherSettingsAreNamedInEveryRank() async throws {
    let ports = try freePorts(1)
    let failures = try await withThreads(3) { number in
      let claims = RankClaims([("--out", number == 2 ? "/b" : "/a"), ("--seed", number == 2 ? "1" : "2")])
      return try failure(RankFailure.self) {
        _ = try RankContext.meet(
          environment(number, of: 3, "a", at: ports), claims: claims, timeout: .seconds(60))
      }
    }
    #expect(
      failures[0].description
        == "rank 2 of 3 has --out /b (rank 0: /a), --seed 1 (rank 0: 2). Start all ranks with the same command."
    )
    #expect(failures.allSatisfy { $0 == failures[0] } && failures[0].code == 2)
  }

  @Test func aSecondProcessOfARankIsRefused() throws {
    let ports = try freePorts(1)
    let store = try RankStore(environment(0, "a", at: ports), timeout: .seconds(60)).open()
    // Rank 0 serves and does not come; the first process of rank 1 gives up, and leaves its mark.
    #expect(throws: RunError.self) {
      try RankContext.meet(environment(1, "a", at: ports), timeout: .seconds(1))
    }
    let error = #expect(throws: UsageError.self) {
      try RankContext.meet(environment(1, "a", at: ports), timeout: .seconds(60))
    }
    #expect(
      error?.description
        == "another process has come as rank 1 of 2. Give every process a rank of its own, and start a launch again "
        + "as a whole.")
    withExtendedLifetime(store) {}
  }

  @Test func ranksThatDoNotComeAreNamed() throws {
    let error = #expect(throws: RunError.self) {
      try RankContext.meet(environment(0, of: 3, "a", at: freePorts(1)), timeout: .seconds(1))
    }
    #expect(error?.description.contains("ranks 1, 2 did not come") == true, "\(error?.description ?? "")")
  }
}

/// Accepts connections and never answers.
private final class SilentServer {
  private let socket: Int32
  let port: UInt16

  init?() {
    let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = inet_addr("127.0.0.1")
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &place) { place in
      place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, size) == 0 && listen(socket, 8) == 0 && getsockname(socket, $0, &size) == 0
      }
    }
    (self.socket, port) = (socket, UInt16(bigEndian: place.sin_port))
    guard isListening else { return nil }
  }

  deinit { close(socket) }
}
