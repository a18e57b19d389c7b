import Foundation
import Synchronization
import Testing
import Torch
@testable import Data

/// Shards by counts whose commands break as a script says.
@Suite struct BreakingShards {
  private let shards: MadeShards
  private let counts = [40, 30, 50]
  private let patient = ShardRetries(count: 5, pause: 0.001)

  init() throws { shards = try MadeShards(.plain, counts: counts) }

  private func path(_ shard: Int) -> String { shards.folder.path + "/s-\(shard).tar" }

  private func index(_ command: (Int) -> String, counts: [Int]? = nil) -> ShardIndex {
    ShardIndex(self.counts.indices.map { .command(command($0)) }, counts: counts ?? self.counts)
  }

  /// Every image in order, or its error, and the warnings.
  private func read(_ index: ShardIndex, _ retries: ShardRetries? = nil) -> (
    images: [Result<[UInt8], any Error>], warnings: [String]
  ) {
    let warnings = Mutex<[String]>([])
    let stream = ShardStream(
      index, LaneEpoch(inOrder: index.numbering), retries: retries ?? patient
    ) { text in warnings.withLock { $0.append(text) } }
    defer { stream.cancel() }
    let images = (0..<index.count).map { position in Result { try stream.bytes(at: position) } }
    return (images, warnings.withLock(\.self))
  }

  /// Breaks once each way, each at another byte, before it is whole. Attempts are numbered by folders.
  @Test func aCommandThatBreaksGoesOnAtTheSameImage() throws {
    let index = index { shard in
      let (tar, mark) = (path(shard), shards.folder.path + "/mark-\(shard)")
      return """
        if mkdir '\(mark)-1' 2>/dev/null; then head -c 50000 '\(tar)'; echo gone >&2; exit 3
        elif mkdir '\(mark)-2' 2>/dev/null; then head -c 60100 '\(tar)'
        elif mkdir '\(mark)-3' 2>/dev/null; then head -c 9000 '\(tar)'; kill -9 $$
        else cat '\(tar)'; fi
        """
    }
    let (images, warnings) = read(index)
    #expect(try images.map { try $0.get() } == shards.bytes)
    #expect(warnings.count == 9)
    #expect(warnings[0].contains(" broke after ") && warnings[0].contains("exit status 3: gone"))
    #expect(warnings[0].hasSuffix("; attempt 1 of 5 in 0.00 s"), "\(warnings[0])")
    #expect(warnings[2].contains("signal 9"))
  }

  /// The third command never comes: its images are errors, those of others are there.
  @Test func aShardThatStaysAwayIsPassedOver() throws {
    let index = index { $0 == 1 ? "head -c 30000 '\(path(1))'; exit 1" : "cat '\(path($0))'" }
    let (images, warnings) = read(index, ShardRetries(count: 2, pause: 0.001))
    let good = images.map { try? $0.get() }
    #expect(
      Array(good[..<40]) == Array(shards.bytes[..<40]) && Array(good[70...]) == Array(shards.bytes[70...]))
    let lost = good[40..<70].count { $0 == nil }
    #expect(lost > 10 && lost < 30 && good[40] == shards.bytes[40], "the images before the break came")
    #expect(
      warnings.map { $0.contains("attempt 1 of 2") || $0.contains("attempt 2 of 2") } == [true, true, false])
    #expect(warnings[2].hasSuffix("\(lost) of its images count as unreadable"))
    #expect(warnings[2].contains(" is given up (the command `"))
  }

  @Test func aMissingFileIsPassedOver() throws {
    try FileManager.default.removeItem(atPath: path(2))
    let index = ShardIndex(shards.sources, counts: counts)
    let (images, warnings) = read(index)
    #expect(images.count { (try? $0.get()) != nil } == 70)
    let reason = "\(path(2)) cannot be read: No such file or directory"
    #expect(throws: ShardError.givenUp(images: 50, reason: reason)) {
      try images[80].get()
    }
    #expect(warnings.count == 6 && warnings[5].hasPrefix("s-2.tar is given up ("))
  }

  /// Reading a damaged file again is of no use.
  @Test func aDamagedFileIsPassedOverAtOnce() throws {
    try #require(FileHandle(forUpdatingAtPath: path(0))).truncate(atOffset: 50_000)
    let (images, warnings) = read(ShardIndex(shards.sources, counts: counts))
    let lost = images.count { (try? $0.get()) == nil }
    #expect(lost > 0 && lost < 40 && warnings.count == 1)
  }

  @Test func aCommandThatGivesOtherImagesIsAnError() throws {
    let index = index { shard in
      let mark = shards.folder.path + "/mark-\(shard)"
      return
        "if mkdir '\(mark)' 2>/dev/null; then head -c 60000 '\(path(shard))'; exit 1; else cat '\(path(2 - shard))'; fi"
    }
    let failure = read(index).images.compactMap { result in
      if case .failure(let error) = result { error as? ShardError } else { nil }
    }.first
    guard case .otherAfterBreak(let shard, let members) = failure else {
      Issue.record("\(failure.debugDescription)")
      return
    }
    #expect(shard.hasPrefix("pipe:if mkdir") && members > 1)
    #expect(
      failure?.description.hasSuffix("images are others than before; it must give the same bytes each time")
        == true)
  }

  @Test(arguments: [-1, 1]) func aShardWithAnotherCountIsAnError(_ more: Int) throws {
    let index = ShardIndex(shards.sources, counts: [40, 30 + more, 50])
    let failure = read(index).images.compactMap { result in
      if case .failure(let error) = result { "\(error)" } else { nil }
    }.last
    #expect(
      failure
        == "\(path(1)) holds 30 images, and the index has \(30 + more); if the shard is whole, write the index anew with "
        + "moco index (one by wids counts samples, and a sample may have no image, or one of a field that --image-key must "
        + "name)"
    )
  }

  /// A pipeline's last program may end well when the first one broke.
  @Test func aCommandThatEndsEarlyIsStartedAgain() throws {
    let index = index { shard in
      let mark = shards.folder.path + "/mark-\(shard)"
      return
        "if mkdir '\(mark)' 2>/dev/null; then head -c 1024 '\(path(shard))'; else cat '\(path(shard))'; fi"
    }
    let (images, warnings) = read(index)
    #expect(try images.map { try $0.get() } == shards.bytes)
    #expect(warnings.count == 3)
  }

  /// Every image came before the command failed.
  @Test func aCommandThatFailsAfterItsLastImageIsNotReadAgain() throws {
    let (images, warnings) = read(index { "cat '\(path($0))'; \($0 == 1 ? "exit 3" : "exit 0")" })
    #expect(try images.map { try $0.get() } == shards.bytes)
    #expect(warnings.count == 1 && warnings[0].contains(" failed after its last image ("), "\(warnings)")
  }

  @Test func aSilentCommandIsStartedAgain() throws {
    let mark = shards.folder.path + "/mark"
    let index = index { shard in
      "if test \(shard) = 1 && mkdir '\(mark)' 2>/dev/null; then sleep 100; else cat '\(path(shard))'; fi"
    }
    let (images, warnings) = read(index, ShardRetries(count: 1, pause: 0.001, patience: 1))
    #expect(try images.map { try $0.get() } == shards.bytes)
    #expect(warnings.count == 1 && warnings[0].contains("the command printed nothing for 1 s"))
  }

  /// Pauses grow; letting go does not wait for their end.
  @Test func pausesGrowAndCanBeLeft() throws {
    let retries = ShardRetries(count: 9)
    #expect((1...8).map(retries.pause(before:)) == [1, 2, 4, 8, 16, 32, 60, 60])
    let index = index { _ in "exit 1" }
    let start = ContinuousClock.now
    ShardStream(index, LaneEpoch(inOrder: index.numbering), retries: ShardRetries(count: 3, pause: 60))
      .cancel()
    #expect(ContinuousClock.now - start < .seconds(30))
  }

  /// A pattern's shards are listed through breaks and silence; files are not tried again.
  @Test func listingGoesThroughBreaks() throws {
    let mark = shards.folder.path + "/mark"
    let sources = counts.indices.map { shard in
      ShardSource.command(
        """
        if mkdir '\(mark)-\(shard)-1' 2>/dev/null; then head -c 50000 '\(path(shard))'; exit 3
        elif test \(shard) = 1 && mkdir '\(mark)-2' 2>/dev/null; then sleep 100
        else cat '\(path(shard))'; fi
        """)
    }
    let retries = ShardRetries(count: 2, pause: 0.001, patience: 1)
    let index = try ShardIndex(sources, retries: retries, threads: 2, cache: nil)
    #expect(index.counts == counts)
    let broken = [ShardSource.command("exit 3")]
    let error = #expect(throws: ShardError.self) { try ShardIndex(broken, retries: retries, cache: nil) }
    #expect(error?.description == "the command `exit 3` failed: exit status 3")
    let missing = [ShardSource.file(shards.folder.path + "/none.tar")]
    let patient = ShardRetries(count: 5, pause: 100)
    #expect(throws: ShardError.self) { try ShardIndex(missing, retries: patient, cache: nil) }
  }

  /// Where ranks wait, a silent shard is given up in time, with every pause.
  @Test(arguments: [(5, 150.0), (0, 30.0), (5, 30.0), (1000, 150.0), (5, 2.0), (3, 100_000.0)])
  func aSilentShardIsGivenUpInTime(_ count: Int, _ seconds: Double) throws {
    let retries = ShardRetries(count: count, within: seconds)
    #expect(retries.count == count && (1...120).contains(retries.patience))
    // Every reading is silent: by the clock of the pauses and of the patience.
    let pauses = (1...max(1, count)).prefix(count).map { retries.pause(before: $0) }
    let all = pauses.reduce(0, +) + Double(retries.patience * (count + 1))
    if all > seconds { #expect(Double(retries.patience) <= max(1, seconds / Double(count + 1))) }
  }

  @Test func attemptsEndWithTheirTime() throws {
    let retries = ShardRetries(count: 1000, pause: 0.4, within: 2)
    var attempts = 0
    let broken = try retries.attempts { () throws(ShardError) in
      .init(error: .cancelled, canPass: true)
    } wait: { _, attempt, seconds in
      attempts = attempt
      Thread.sleep(forTimeInterval: seconds)
    }
    // A silence of 1 s must fit too: after 0.4 s no pause of 0.8 s does.
    #expect(broken != nil && attempts == 1)
  }

  /// New images begin the count of attempts anew.
  @Test func newImagesBeginTheCountAnew() throws {
    var readings = 0
    let broken = try ShardRetries(count: 2, pause: 0).attempts { () throws(ShardError) in
      readings += 1
      return readings > 9 ? nil : .init(error: .cancelled, canPass: true, hasNew: readings.isMultiple(of: 2))
    } wait: { _, _, _ in
    }
    #expect(broken == nil && readings == 10)
  }

  /// Lanes begin in the middle of shards, of files by stepping over members and of commands by reading through.
  @Test(arguments: ShardForm.allCases)
  func lanesComeInTheirOrderFromAnyBatchForAnyRank(_ form: ShardForm) throws {
    let shards = try MadeShards(form, counts: [13, 0, 8, 21, 5])
    let counted = ShardIndex(shards.sources, counts: [13, 0, 8, 21, 5])
    let ways: [(Int, Dealing)] = [
      (1, .consecutive), (2, .consecutive), (3, .consecutive), (2, .inTurns), (3, .inTurns),
    ]
    for (ranks, dealing) in ways {
      let order = LaneOrder(
        counts: counted.numbering, seed: 3, batchSize: 6, dealt: dealing, lanes: 3, buffer: 12)
      let pass = order.epoch(1)
      for first in 0..<7 {
        var found: [Int: [UInt8]] = [:]
        for rank in 0..<ranks {
          let wanted = WantedPositions(
            batches: first..<7, of: 6, rank: Rank(rank, of: ranks), dealt: dealing)
          let stream = ShardStream(counted, pass, wanted)
          for position in wanted.range where wanted.contains(position) {
            found[position] = try stream.bytes(at: position)
          }
        }
        #expect(found.count == 6 * (7 - first))
        for (position, bytes) in found { #expect(bytes == shards.bytes[pass.sample(at: position)]) }
      }
    }
  }
}
