import Files
import Foundation
import Testing
@testable import Data

/// What `make_shards.py` made.
private struct Shards: Decodable {
  var names: [String]
  var sizes: [Int]
  var crcs: [UInt32]
  var offsets: [String: [Int]]
  var archives: [String: Data]

  static func load() throws -> Shards {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/shards.json")
    return try JSONDecoder().decode(Shards.self, from: Data(contentsOf: file))
  }
}

@Suite struct TarReading {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func crc(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { crc32($0) } }

  /// An archive of the fixture, as a file.
  private func file(_ name: String) throws -> String {
    try folder.write(name, try #require(Shards.load().archives[name]))
  }

  /// Python's tarfile wrote them and says where the bytes lie.
  @Test func everyFormGivesTheSameMembers() throws {
    let expected = try Shards.load()
    try #require(expected.names.count == 5)
    let (gnu, pax, zstd) = try (file("gnu.tar"), file("pax.tar"), file("pax.tar.zst"))
    let gzip = try folder.write("x", shell("gzip -c '\(gnu)'"))
    let cases: [(ShardSource, offsets: [Int]?)] = [
      (.file(gnu), expected.offsets["gnu"]), (.file(pax), expected.offsets["pax"]),
      (.file(zstd), nil), (.file(gzip), nil),
      (.command("cat '\(gnu)'"), nil), (.command("cat '\(zstd)'"), nil),
    ]
    for (source, offsets) in cases {
      for blockBytes in [512, 16 << 10, 128 << 10] {
        let reader = try TarReader(source, blockBytes: blockBytes)
        let found = try contents(reader)
        #expect(found.map(\.member.name) == expected.names, "\(source), blocks of \(blockBytes)")
        #expect(found.map(\.member.size) == expected.sizes)
        #expect(found.map { crc($0.bytes) } == expected.crcs)
        // A place between two bytes has no meaning for an empty file.
        for (index, member) in found.map(\.member).enumerated() { #expect(member.offset == offsets?[index]) }
        #expect(reader.skipped == [:])
        #expect(try reader.next() == nil, "the end stays the end")
      }
    }
  }

  @Test func membersNeedNotBeRead() throws {
    var tar = MadeTar()
    for index in 0..<40 { tar.add("\(index)", randomBytes(index * 300, seed: index)) }
    let reader = try TarReader(.file(folder.write("x.tar", tar.closed)), blockBytes: 1024)
    var names: [String] = []
    while let member = try reader.next() {
      names.append(member.name)
      if names.count % 3 == 0 {
        var some = [UInt8](repeating: 0, count: member.size / 2)
        try some.withUnsafeMutableBytes { try reader.read(into: $0) }
        #expect(some == Array(randomBytes(member.size, seed: names.count - 1).prefix(some.count)))
      }
    }
    #expect(names == (0..<40).map(String.init))
  }

  private func hostile() -> (tar: MadeTar, good: [String], skipped: [TarReader.Skipped: Int]) {
    var tar = MadeTar()
    var good: [String] = []
    func addGood(_ number: Int) {
      tar.add("good-\(number).jpg", randomBytes(600, seed: number))
      good.append("good-\(number).jpg")
    }
    addGood(0)
    tar.add("/tmp/moco-absolute.jpg", [1, 2, 3])
    tar.add("../moco-parent.jpg", [1, 2, 3])
    tar.add("a/../../moco-parent.jpg", [1, 2, 3])
    addGood(1)
    tar.add("soft.jpg", type: "2", link: "/etc/passwd")
    tar.add("hard.jpg", type: "1", link: "good-0.jpg")
    for type in ["3", "4", "6"] as [Character] { tar.add("device-\(type).jpg", type: type) }
    tar.add("folder.jpg/", type: "5")
    addGood(2)
    tar.add("negative.jpg", size: base256(-1, first: 0xFF))
    addGood(3)
    tar.add("negative-with-data.jpg", randomBytes(2000, seed: 9), size: base256(-2000, first: 0xFF))
    tar.add("overflow.jpg", size: [0x80] + [UInt8](repeating: 0xFF, count: 11))
    addGood(4)
    tar.add("huge.jpg", size: base256(1 << 62))
    addGood(5)
    tar.add("over-the-limit.jpg", randomBytes(5000, seed: 1))
    tar.add("", [1])
    tar.add(".", [1])
    addGood(6)
    return (
      tar, good,
      [.absoluteName: 1, .parentName: 2, .link: 2, .device: 3, .badSize: 4, .tooLarge: 1, .noName: 2]
    )
  }

  /// Extended headers can give a sparse file a negative size, which the parser lets through.
  @Test(arguments: ["SCHILY.realsize", "GNU.sparse.realsize", "GNU.sparse.size"])
  func aNegativeSizeInAnExtendedHeaderIsPassedOver(_ key: String) throws {
    var tar = MadeTar()
    let record = " \(key)=-5\n"
    tar.add("x", Array("\(record.utf8.count + 2)\(record)".utf8), type: "x")
    tar.add("bad.cls", [1, 2, 3])
    tar.add("good.jpg", [4, 5])
    let path = try folder.write("negative.tar", tar.closed)
    let found = try contents(TarReader(.file(path)))
    #expect(found.map(\.member.name) == ["good.jpg"])
    #expect(found.map(\.bytes) == [[4, 5]])
  }

  @Test func hostileMembersArePassedOverAndCounted() throws {
    let (tar, good, skipped) = hostile()
    let path = try folder.write("hostile.tar", tar.closed)
    let gzip = try folder.write("hostile.tar.gz", shell("gzip -c '\(path)'"))
    let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
    for source in [ShardSource.file(path), .file(gzip), .command("cat '\(path)'")] {
      for blockBytes in [512, 128 << 10] {
        let reader = try TarReader(source, limit: 4096, blockBytes: blockBytes)
        let found = try contents(reader)
        #expect(found.map(\.member.name) == good, "\(source)")
        for (index, entry) in found.enumerated() { #expect(entry.bytes == randomBytes(600, seed: index)) }
        #expect(reader.skipped == skipped, "\(source)")
      }
    }
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() == before)
    #expect(!FileManager.default.fileExists(atPath: "/tmp/moco-absolute.jpg"))
  }

  @Test(arguments: ["gnu", "pax0.0", "pax0.1", "pax1.0"])
  func sparseFilesArePassedOver(_ form: String) throws {
    let reader = try TarReader(.file(file("sparse-\(form).tar")))
    let found = try contents(reader)
    #expect(found.map(\.member.name) == ["before.jpg", "after.jpg"])
    #expect(found.allSatisfy { $0.bytes == [UInt8](repeating: UInt8(ascii: "x"), count: 100) })
    #expect(reader.skipped == [.sparse: 1])
  }

  @Test func aCutArchiveIsAnErrorThatNamesIt() throws {
    var tar = MadeTar()
    for index in 0..<3 { tar.add("\(index).jpg", randomBytes(1500, seed: index)) }
    let whole = tar.closed
    let starts = [0, 2048, 4096, 6144]
    for cut in Array(stride(from: 1, to: 6144, by: 97)) + [512, 2560, 6143] where !starts.contains(cut) {
      let path = try folder.write("cut.tar", whole.prefix(cut))
      for source in [ShardSource.file(path), .command("cat '\(path)'")] {
        var names: [String] = []
        let reader = try TarReader(source)
        do {
          while let member = try reader.next() {
            names.append(member.name)
            if cut % 2 == 0 { _ = try reader.readAll() }
          }
          Issue.record("\(cut) bytes passed for an archive")
        } catch {
          guard case .damaged(source.description, names.count, _) = error else {
            Issue.record("\(cut): \(error)")
            continue
          }
        }
        // A cut inside the padding or data shows when the next member is asked for.
        #expect(names.count <= cut / 2048 + 1)
      }
    }
    let error = #expect(throws: ShardError.self) {
      try contents(TarReader(.file(folder.write("cut.tar", whole.prefix(3000)))))
    }
    #expect(
      error?.description.replacingOccurrences(of: folder.path, with: "F")
        == "F/cut.tar is damaged after 2 members (Truncated tar archive); fetch or pack it again")
  }

  /// Nothing but an error or other members may come of it. 400 single flips and 100 overwritten stretches.
  @Test func damageNeverCrashes() throws {
    let whole = [UInt8](hostile().tar.closed)
    let gzip = [UInt8](try shell("gzip -c '\(folder.write("h.tar", Data(whole)))'"))
    for (number, original) in [whole, gzip].enumerated() {
      for trial in 0..<250 {
        var bytes = original
        let draws = randomBytes(64, seed: 1000 + trial)
        let place = (Int(draws[0]) << 16 | Int(draws[1]) << 8 | Int(draws[2])) % bytes.count
        if trial % 5 == 0 {
          for index in place..<min(place + 60, bytes.count) { bytes[index] = draws[3 + index - place] }
        } else {
          bytes[place] ^= draws[3] | 1
        }
        let path = try folder.write("damaged-\(number).tar", Data(bytes))
        let reader = try TarReader(.file(path), limit: 4096, blockBytes: trial % 2 == 0 ? 512 : 4096)
        do { #expect(try contents(reader).count < 60) } catch { #expect("\(error)".contains(path)) }
      }
    }
  }

  @Test func whatIsNoArchiveIsAnError() throws {
    func message(_ source: ShardSource) -> String {
      do {
        _ = try contents(TarReader(source))
        return "no error"
      } catch { return "\(error)".replacingOccurrences(of: folder.path, with: "F") }
    }
    #expect(
      message(.file(folder.path + "/none.tar")) == "F/none.tar cannot be read: No such file or directory")
    #expect(message(.file(folder.path)) == "F cannot be read: not a regular file")
    #expect(
      message(.file(try folder.write("empty.tar")))
        == "F/empty.tar is damaged after 0 members (it is empty); fetch or pack it again")
    #expect(
      message(.file(try folder.write("text.tar", Data(repeating: 65, count: 5000))))
        == "F/text.tar is damaged after 0 members (Unrecognized archive format); fetch or pack it again")
    try shell("mkfifo '\(folder.path)/fifo.tar'")
    #expect(message(.file(folder.path + "/fifo.tar")) == "F/fifo.tar cannot be read: not a regular file")
    let gzip = try shell("head -c 100000 /dev/urandom | gzip -c")
    #expect(message(.file(try folder.write("noise.tar.gz", gzip))).contains("is damaged after 0 members"))
    // Only zeros, packed a thousand times smaller: the end is believed where it stands.
    let zeros = try folder.write("zeros.tar.gz", shell("head -c 100000000 /dev/zero | gzip -c"))
    #expect(try contents(TarReader(.file(zeros))).isEmpty)
  }
}

@Suite struct TarCommands {
  let folder: TemporaryFolder
  let path: String

  init() throws {
    folder = try TemporaryFolder()
    var tar = MadeTar()
    for index in 0..<30 { tar.add("\(index).jpg", randomBytes(20_000, seed: index)) }
    path = try folder.write("x.tar", tar.closed)
  }

  private func failure(_ command: String) -> String {
    do {
      return "\(try contents(TarReader(.command(command))).count) members"
    } catch { return "\(error)".replacingOccurrences(of: folder.path, with: "F") }
  }

  @Test func aFailureTellsTheCommandAndItsWords() throws {
    #expect(
      failure("echo 'no such host' >&2; exit 22")
        == "the command `echo 'no such host' >&2; exit 22` failed: exit status 22: no such host")
    #expect(failure("exit 3") == "the command `exit 3` failed: exit status 3")
    #expect(failure("kill -9 $$") == "the command `kill -9 $$` failed: ended by signal 9")
    // All members came, and yet the command says that something was wrong.
    #expect(
      failure("cat '\(path)'; printf 'a\\nb\\n' >&2; exit 1")
        == "the command `cat 'F/x.tar'; printf 'a\\nb\\n' >&2; exit 1` failed: exit status 1: a | b")
    // A part came: the command's word counts, not the broken archive.
    #expect(
      failure("head -c 70000 '\(path)'; exit 5")
        == "the command `head -c 70000 'F/x.tar'; exit 5` failed: exit status 5")
    #expect(
      failure("head -c 70000 '\(path)'")
        == "pipe:head -c 70000 'F/x.tar' is damaged after 4 members (Truncated tar archive); fetch or pack it again"
    )
    #expect(
      failure("moco-no-such-program").hasPrefix(
        "the command `moco-no-such-program` failed: exit status 127: "))
  }

  /// More errors than a pipe holds, of which the end is kept; and output after the archive's end.
  @Test func muchTalkBlocksNothing() throws {
    #expect(
      failure("head -c 1000000 /dev/zero >&2; cat '\(path)'; head -c 1000000 /dev/zero") == "30 members")
    let text = failure("yes word | head -c 300000 >&2; echo the end >&2; exit 1")
    #expect(text.hasSuffix("| the end") && text.count < 600, "\(text)")
  }

  /// It is gone when the reader is: neither running nor waiting to be buried.
  @Test func aReaderThatStopsEarlyEndsTheCommand() throws {
    for command in ["", "trap '' TERM; ", "trap '' PIPE; "] {
      let number = folder.path + "/number"
      do {
        let reader = try TarReader(.command("\(command)echo $$ > '\(number)'; cat '\(path)'; sleep 1000"))
        #expect(try reader.next()?.name == "0.jpg")
      }
      let text = try String(contentsOfFile: number, encoding: .utf8)
      let process = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
      #expect(kill(process, 0) == -1 && errno == ESRCH, "\(command)")
    }
  }

  @Test func cancellingWakesTheReader() throws {
    for command in ["sleep 1000", "cat '\(path)'; sleep 1000", "exec >&-; sleep 1000"] {
      let reader = try TarReader(.command(command))
      let thread = Thread { reader.cancel() }
      thread.start()
      #expect(throws: ShardError.cancelled, "\(command)") { try contents(reader) }
    }
  }
}
