import Files
import Foundation
import Testing
@testable import Data

/// Takes positions as a loader's workers do: `chunk` at a time by turns, each upwards. The bytes of each position.
private func taken(_ stream: ShardStream, _ positions: Range<Int>, threads: Int, chunk: Int = 4) throws
  -> [[UInt8]]
{
  try inParallel((positions.count + chunk - 1) / chunk, threads: threads) { number in
    let start = positions.lowerBound + number * chunk
    return try (start..<min(start + chunk, positions.upperBound)).map { try stream.bytes(at: $0) }
  }.flatMap { $0 }
}

@Suite struct ShardStreams {
  private let counts = [13, 0, 8, 21, 5]

  @Test(arguments: ShardForm.allCases)
  func anEpochComesInItsOrderFromAnyPosition(_ form: ShardForm) throws {
    let shards = try MadeShards(form, counts: counts)
    let index = try shards.index()
    try #require(index.counts == counts)
    let epoch = ShardOrder(counts: counts, seed: 3, buffer: 9, interleave: 3).epoch(1)
    let expected = epoch.samples.map { shards.bytes[$0] }
    try #require(Set(epoch.samples).count == 47)
    for (trial, start) in [0, 0, 1, 2, 3, 7, 12, 20, 31, 40, 45, 46, 47].enumerated() {
      let stream = ShardStream(index, epoch, WantedPositions(start..<47))
      #expect(
        try taken(stream, start..<47, threads: 1 + trial % 4) == Array(expected[start...]), "from \(start)")
    }
    let middle = ShardStream(index, epoch, WantedPositions(10..<30))
    #expect(try taken(middle, 10..<30, threads: 2) == Array(expected[10..<30]))
  }

  /// Many more samples than a reader may hold, so that it must wait; the smallest buffer and larger ones.
  @Test(arguments: [1, 64, 5000])
  func readersWaitAndNothingStops(_ buffer: Int) throws {
    let counts = [400, 350, 420]
    let shards = try MadeShards(.plain, counts: counts, maxBytes: 9000)
    let epoch = ShardOrder(counts: counts, seed: 3, buffer: buffer, interleave: 2).epoch(0)
    let stream = ShardStream(try shards.index(), epoch)
    let all = epoch.samples.indices
    #expect(try taken(stream, all, threads: 5, chunk: 16) == epoch.samples.map { shards.bytes[$0] })
    // Pages of what both readers may hold, what five takers have at hand, and the last slab's rest.
    let held = 2 * (max(1, buffer / 2) + ShardStream.readAhead) + 5
    #expect(stream.memory <= min(held, 1170) * 3 * 4096 + 64 * 4096)
  }

  @Test func shardsInOrderGiveTheirSamplesInOrder() throws {
    let shards = try MadeShards(.gzip, counts: counts)
    let stream = ShardStream(try shards.index(), LaneEpoch(inOrder: ShardCounts(counts)))
    #expect(try taken(stream, 0..<47, threads: 3) == shards.bytes)
  }

  @Test func aDamagedShardReachesEveryone() throws {
    let shards = try MadeShards(.plain, counts: [60, 60, 60])
    let index = try shards.index()
    guard case .file(let path) = index.sources[1] else { return }
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    try file.truncate(atOffset: 90_000)
    let stream = ShardStream(index, ShardOrder(counts: index.counts, seed: 0, buffer: 10).epoch(0))
    // Five takers share three readers, so each of them needs some that never comes.
    let failures = inParallel(5, threads: 5) { taker in
      do {
        for position in stride(from: taker, to: 180, by: 5) { _ = try stream.bytes(at: position) }
        return "none"
      } catch { return "\(error)" }
    }
    #expect(
      failures.allSatisfy {
        $0.hasPrefix("\(path) is damaged after") && $0.contains("Truncated tar archive")
      },
      "\(failures)")
  }

  @Test func aChangedShardIsAnError() throws {
    let shards = try MadeShards(.plain, counts: [3, 3])
    let index = try shards.index()
    func failure(_ tar: MadeTar, shard: String = "s-1.tar") throws -> String {
      try shards.folder.write(shard, tar.closed)
      do {
        _ = try taken(ShardStream(index, LaneEpoch(inOrder: ShardCounts([3, 3]))), 0..<6, threads: 2)
        return "none"
      } catch { return "\(error)".replacingOccurrences(of: shards.folder.path, with: "F") }
    }
    let prefix = "F/s-1.tar is not what it was when its images were listed: "
    var tar = MadeTar()
    tar.add("k0.jpg", shards.bytes[3])
    tar.add("k1.jpg", shards.bytes[4])
    #expect(try failure(tar) == prefix + "it ends after 2 of 3 images; start again")
    tar.add("k2.jpg", [1, 2])
    let replaced = try failure(tar)
    #expect(
      replaced == prefix + "k2.jpg with 2 bytes stands in the place of k2.jpg with 3,595; start again")
    // Not in the last shard of the reader: there all samples may have been taken before the end is read.
    tar = MadeTar()
    for image in 0..<3 { tar.add("k\(image).jpg", shards.bytes[image]) }
    tar.add("k3.png", [1])
    #expect(
      try failure(tar, shard: "s-0.tar")
        == "F/s-0.tar is not what it was when its images were listed: k3.png comes after the 3 images that it had; "
        + "start again")
  }

  @Test func aFailedCommandIsAnError() throws {
    let shards = try MadeShards(.plain, counts: [3])
    guard case .file(let path) = shards.sources[0] else { return }
    let flag = shards.folder.path + "/flag"
    let command = "test ! -e '\(flag)' && exec cat '\(path)'; head -c 2000 '\(path)'; echo gone >&2; exit 7"
    let index = try ShardIndex([.command(command)], cache: nil)
    try shards.folder.write("flag")
    let error = #expect(throws: ShardError.self) {
      try taken(ShardStream(index, LaneEpoch(inOrder: ShardCounts([3]))), 0..<3, threads: 2)
    }
    #expect(error?.description == "the command `\(command)` failed: exit status 7: gone")
  }

  /// Takers and commands that would wait for ever are released.
  @Test func cancellingReleasesEveryone() throws {
    let shards = try MadeShards(.plain, counts: [3, 3])
    guard case .file(let path) = shards.sources[0] else { return }
    let flag = shards.folder.path + "/flag"
    let index = try ShardIndex([.command("cat '\(path)'; test ! -e '\(flag)' || sleep 1000")], cache: nil)
    try shards.folder.write("flag")
    try shell("head -c 5000 '\(path)' > '\(path).cut'; mv '\(path).cut' '\(path)'")
    let stream = ShardStream(index, LaneEpoch(inOrder: ShardCounts([3])))
    let released = NSCondition()
    nonisolated(unsafe) var failure: (any Error)?  // only touched with the lock held
    let taker = Thread {
      let result = Result { for position in 0..<3 { _ = try stream.bytes(at: position) } }
      released.lock()
      if case .failure(let error) = result { failure = error }
      released.broadcast()
      released.unlock()
    }
    taker.start()
    stream.cancel()
    released.lock()
    while failure == nil { released.wait() }
    #expect(failure as? ShardError == .cancelled)
    released.unlock()
  }

  @Test func lettingGoEndsTheThreads() throws {
    let shards = try MadeShards(.command, counts: [300, 300, 300])
    let index = try shards.index()
    for start in 0..<5 {
      let stream = ShardStream(index, ShardOrder(counts: index.counts, seed: 1, buffer: 4).epoch(start))
      _ = try stream.bytes(at: start)
    }
  }
}
