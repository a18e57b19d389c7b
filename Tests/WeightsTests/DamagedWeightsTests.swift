import Foundation
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

extension HostileWeights {
  /// Good files with bytes changed or missing, and what reading a good one takes.
  @Suite struct DamageTests {
    /// All that is read from a file.
    private struct Contents: Equatable {
      let entries: [WeightsFile.Entry]
      let bytes: [[UInt8]]

      init(_ path: String) throws {
        let file = try WeightsFile(path)
        entries = file.entries
        bytes = try entries.map { try file.tensor($0.name).withUnsafeBytes(Array.init) }
      }
    }

    /// Overwrites one byte in its place: whole files, thousands of times, would wait for the disk.
    private func change(_ path: String, _ place: Int, to value: UInt8) throws {
      let handle = try FileHandle(forUpdating: URL(filePath: path))
      defer { try? handle.close() }
      try handle.seek(toOffset: UInt64(place))
      try handle.write(contentsOf: [value])
    }

    @Test(arguments: ["zip.pth", "legacy.pth", "numpy-protocol2.pkl", "numpy-protocol4.pkl"])
    func isRefusedWhereverItIsCutOff(_ name: String) throws {
      let whole = try bytes(at: fixture(name))
      try withFolder { folder in
        let path = joined(folder, "x")
        try put(whole, at: path)
        for count in (0..<whole.count).reversed() {
          guard truncate(path, off_t(count)) == 0 else { throw Unthrown() }
          // Not through #expect, which takes longer than the reading.
          guard (try? WeightsFile(path)) == nil else {
            Issue.record("cut off after \(count) bytes")
            continue
          }
        }
      }
    }

    /// Every flip is found or gives other numbers; none ends the process or asks for much memory.
    @Test(arguments: [("zip.pth", 10_000), ("legacy.pth", 2000), ("numpy-protocol2.pkl", 2000)])
    func survivesThousandsOfChangedBytes(_ name: String, _ changes: Int) throws {
      let whole = try bytes(at: fixture(name))
      let original = try Contents(fixture(name))
      var random = SplitMix(state: 4)
      var refused = 0
      try withoutMuchMemory(128 << 20) {
        refused = 0
        try withFolder { folder in
          let path = joined(folder, "x")
          try put(whole, at: path)
          for _ in 0..<changes {
            let place = Int(random.next() % UInt64(whole.count))
            try change(path, place, to: whole[place] ^ UInt8(1 + random.next() % 255))
            defer { try? change(path, place, to: whole[place]) }
            do {
              let contents = try Contents(path)
              // The zip format has checksums: what is read is what was written.
              if name == "zip.pth", contents != original { Issue.record("a change was not seen") }
            } catch is InterchangeError {
              refused += 1
            }
          }
        }
      }
      // What may change unseen in the zip format is padding, times and the like; the others have no checksums.
      #expect(refused > changes / 2, "\(refused)")
      print("\(name): \(refused) of \(changes) changed bytes found")
    }

    @Test func aChangedByteOfAStorageIsFound() throws {
      let whole = try bytes(at: fixture("zip.pth"))
      let entry = try #require(try ZipArchive(FileReader(fixture("zip.pth"))).entries["zip/data/12"])
      #expect(entry.count == 96)
      for place in entry.range {
        var changed = whole
        changed[place] ^= 1
        #expect(try refusal(of: changed) == .damaged("the checksum of zip/data/12 is wrong"))
      }
    }

    // MARK: Memory

    @Test(arguments: [true, false])
    func readingTakesAtMostTwiceTheFile(_ zip: Bool) throws {
      // 64 MB in four tensors.
      let count = 4 << 20
      try withFolder { folder in
        let path = joined(folder, "x")
        let format: ExportFormat = zip ? .torchvision : .detectron2
        do {
          let tensor = Tensor.zeros([count])
          try format.write((0..<4).map { ("conv\($0).weight", tensor) }, to: path)
        }
        let size = try FileReader(path).count
        #expect(size > 4 * 4 * count)
        try withoutMuchMemory(2 * size + 64 << 20) {
          let file = try WeightsFile(path)
          let tensors = try file.entries.map { try file.tensor($0.name) }
          #expect(tensors.count == 4)
        }
      }
    }
  }
}

/// Vigna's SplitMix64: equal numbers in every run.
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
