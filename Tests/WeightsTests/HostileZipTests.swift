import CArchives
import Foundation
import TestSupport
import Testing
@testable import Files
@testable import Weights

extension HostileWeights {
  /// Zip files whose list of contents lies.
  @Suite struct ZipTests {
    @Test func entriesOfOneNameAreRefused() throws {
      let file = try zipFile([("x/data.pkl", [0x80, 2, 0x4E, 0x2E]), ("x/data.pkl", [0x80, 2, 0x7D, 0x2E])])
      #expect(try refusal(of: file) == .damaged("as a zip file, it has two entries x/data.pkl"))
      let two = try zipFile([("x/data.pkl", [0x80, 2, 0x4E, 0x2E]), ("y/data.pkl", [0x80, 2, 0x7D, 0x2E])])
      #expect(
        try refusal(of: two) == .unsupported("this zip file is not one of torch.save: it has no data.pkl."))
    }

    @Test func aZipBombIsRefusedBeforeMemoryIsTaken() throws {
      // 150 KB that unpack to 24 MB: more than the file and its allowance of 16 MB.
      let (packed, count) = HandmadeZip.zeros(repeats: 93_000)
      let bomb = HandmadeZip.file(packed, count: count, crc: 0)
      let found = try withoutMuchMemory(12 << 20) { try refusal(of: bomb) }
      #expect(found == .overLimit("x/data.pkl unpacks to \(count) bytes"))
      // A claim that no deflate stream can keep.
      let lie = HandmadeZip.file([1, 2, 3, 4], count: 5000, crc: 0)
      #expect(try refusal(of: lie) == .overLimit("x/data.pkl would unpack from 4 bytes to 5000"))
      // More or fewer bytes than it says.
      let (small, size) = HandmadeZip.zeros(repeats: 10)
      for wrong in [size - 1, size + 1, 1, 0] {
        #expect(
          try refusal(of: HandmadeZip.file(small, count: wrong, crc: 0))
            == .damaged("x/data.pkl cannot be unpacked"))
      }
      #expect(
        try refusal(of: HandmadeZip.file(small, count: size, crc: 1))
          == .damaged("the checksum of x/data.pkl is wrong"))
    }

    @Test func deflatedEntriesAreRead() throws {
      // A stored block of deflate: an empty dictionary.
      let pickle: [UInt8] = [0x80, 2, 0x7D, 0x2E]
      let packed = [1] + little(UInt16(4)) + little(~UInt16(4)) + pickle
      let crc = pickle.withUnsafeBytes { ca_crc32(0, $0.baseAddress, $0.count) }
      try withFile(HandmadeZip.file(packed, count: 4, crc: crc)) { path in
        let file = try WeightsFile(path)
        #expect(file.entries.isEmpty)
      }
    }

    /// 42 bytes: a locator and the end record, without room for the zip64 record that the locator promises.
    @Test func aZip64RecordThatHasNoRoomIsDamage() throws {
      let locator = little(UInt32(0x0706_4B50)) + [UInt8](repeating: 0, count: 16)
      let end = HandmadeZip.file([], [])
      for room in [0, 33] {
        try withFile([UInt8](repeating: 0, count: room) + locator + end) { path in
          let error = try failure(InterchangeError.self) { _ = try ZipDirectory(FileReader(path)) }
          #expect(error.problem == .damaged("as a zip file, its zip64 record is not in the file"))
        }
      }
    }

    @Test func theListAndTheHeadersMustAgree() throws {
      let one = HandmadeZip.file([1, 2, 3, 4], count: 4, crc: 0)
      // The list's only entry a second time by another name.
      let end = one.count - 22
      let start = end - 56
      var second = Array(one[start..<end])
      second[second.count - 1] = UInt8(ascii: "m")
      var file = Array(one[..<end]) + second + Array(one[end...])
      file[file.count - 14] = 2
      file[file.count - 12] = 2
      file[file.count - 10] = 112
      // The header in front has the first name only.
      #expect(
        try refusal(of: file) == .damaged("as a zip file, x/data.pkm is not where the list of contents says"))
    }

    // MARK: Entries that share bytes (Fifield 2019)

    @Test func anEntryInsideAnothersDataIsRefused() throws {
      // 200 entries of which each, unpacked, holds the header of the next and all that this unpacks to.
      let bomb = HandmadeZip.quoting(entries: 200, repeats: 1000)
      let found = try withoutMuchMemory(12 << 20) { try refusal(of: bomb) }
      #expect(found == .damaged("as a zip file, its entries x/data.pkl and x/data/1 share bytes"))
      #expect(try refusal(of: HandmadeZip.quoting(entries: 2, repeats: 1)) == found)
    }

    @Test func anEntryInsideAnothersExtraFieldIsRefused() throws {
      let (packed, count) = HandmadeZip.zeros(repeats: 10)
      let inner = HandmadeZip.header("x/data/1", packed: packed.count, count: count)
      let outer = HandmadeZip.header("x/data.pkl", packed: packed.count, count: count, extra: inner)
      let file = HandmadeZip.file(
        outer + packed,
        [
          HandmadeZip.listed("x/data.pkl", packed: packed.count, count: count, at: 0),
          HandmadeZip.listed(
            "x/data/1", packed: packed.count, count: count, at: outer.count - inner.count),
        ])
      #expect(
        try refusal(of: file) == .damaged("as a zip file, its entries x/data.pkl and x/data/1 share bytes"))
    }

    @Test func aHeaderInsideAnothersDataIsRefused() throws {
      // Their data do not touch: the first ends where the second's begins.
      let second = HandmadeZip.header("x/data/1", packed: 4, count: 4)
      let first = HandmadeZip.header("x/data.pkl", packed: second.count, count: second.count)
      let file = HandmadeZip.file(
        first + second + [1, 2, 3, 4],
        [
          HandmadeZip.listed("x/data/1", packed: 4, count: 4, at: first.count),
          HandmadeZip.listed("x/data.pkl", packed: second.count, count: second.count, at: 0),
        ])
      #expect(
        try refusal(of: file) == .damaged("as a zip file, its entries x/data.pkl and x/data/1 share bytes"))
    }

    @Test func severalEntriesOfTheSameDataAreRefused() throws {
      let (packed, count) = HandmadeZip.zeros(repeats: 10)
      let data = HandmadeZip.header("x/data.pkl", packed: packed.count, count: count) + packed
      func file(_ names: [String]) -> [UInt8] {
        HandmadeZip.file(
          data, names.map { HandmadeZip.listed($0, packed: packed.count, count: count, at: 0) })
      }
      #expect(
        try refusal(of: file(["x/data.pkl", "x/data.pkl"]))
          == .damaged("as a zip file, it has two entries x/data.pkl"))
      // A header has one name, so an entry of another name is not where it is said to be.
      #expect(
        try refusal(of: file(["x/data.pkl", "x/data.bin"]))
          == .damaged("as a zip file, x/data.bin is not where the list of contents says"))
    }
  }
}
