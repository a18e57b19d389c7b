import CCodecs
import Foundation
import Testing
import Torch

@testable import Checkpoints

/// Files made to do harm. Each is refused with its reason or is harmless; none calls, crashes or takes much memory.
@Suite(.serialized) struct HostileWeightsTests {
  /// The reason a file is refused for.
  private func problem(_ bytes: [UInt8]) throws -> InterchangeError.Problem {
    var problem = InterchangeError.Problem.unknownFormat
    try withFile(bytes) { path in
      problem =
        try failure(InterchangeError.self) {
          let file = try WeightsFile(path)
          for entry in file.entries { _ = try file.tensor(entry.name) }
        }.problem
    }
    return problem
  }

  // MARK: Calls

  /// Python run on these would create the file; so the test would notice a reader that calls.
  @Test(arguments: [
    ("os", "system", "touch PATH"), ("posix", "system", "touch PATH"),
    ("builtins", "eval", "open('PATH', 'w')"), ("builtins", "exec", "open('PATH', 'w')"),
    ("subprocess", "Popen", "touch PATH"), ("torch.hub", "load", "PATH"), ("runpy", "_run_code", "PATH"),
  ])
  func gadgetsAreRefusedAndNotCalled(_ module: String, _ name: String, _ argument: String) throws {
    try withFolder { folder in
      let trace = joined(folder, "called")
      var pickle = Pickle()
      let start = pickle.bytes.count
      pickle.global(module, name)
      pickle.text(argument.replacingOccurrences(of: "PATH", with: trace))
      pickle.raw([0x85])
      pickle.operations("R.")
      for bytes in [pickle.bytes, try zipFile([("x/data.pkl", pickle.bytes)])] {
        #expect(try problem(bytes) == .forbidden(global: "\(module).\(name)", byte: start))
      }
      #expect(!FileManager.default.fileExists(atPath: trace))
    }
  }

  @Test func attributesCannotBeReached() throws {
    // getattr(OrderedDict, "__reduce__"), and the same by a dotted name of protocol 4.
    var first = Pickle()
    first.global("builtins", "getattr")
    first.operations(".")
    #expect(try problem(first.bytes) == .forbidden(global: "builtins.getattr", byte: 2))
    var second = Pickle(version: 4)
    second.raw([0x8C, 11] + Array("collections".utf8) + [0x8C, 22] + Array("OrderedDict.__reduce__".utf8))
    second.raw([0x93])
    second.operations(".")
    #expect(try problem(second.bytes) == .forbidden(global: "collections.OrderedDict.__reduce__", byte: 39))
    // A class of the list is no function.
    var third = Pickle()
    third.global("numpy", "ndarray")
    third.operations(")R.")
    #expect(try problem(third.bytes) == .pickle("a call of a class", byte: 18))
  }

  @Test func aGadgetsTextNamesItAndSaysWhatToDo() throws {
    #expect(
      InterchangeError(path: "x.pth", problem: .forbidden(global: "os.system", byte: 2)).description
        == "x.pth asks to call os.system (byte 2 of its pickle), which weights do not need. Nothing was called. "
        + "Do not trust this file; if you do, save only its state_dict with torch.save.")
  }

  // MARK: Size

  /// Ten lists of which each holds the one before it ten times: 10^10 paths in 300 bytes.
  @Test func aMemoBombIsStoppedWhereItUnfolds() throws {
    var pickle = Pickle()
    pickle.operations("]q\u{0}")
    for level in 1...10 {
      pickle.operations("](")
      for _ in 0..<10 { pickle.raw([0x68, UInt8(level - 1)]) }
      pickle.operations("e")
      pickle.raw([0x71, UInt8(level)])
    }
    pickle.operations(".")
    // The lists that are left below the last are in the way of an end.
    #expect(
      try problem(pickle.bytes) == .pickle("an end with values left over", byte: pickle.bytes.count - 1))
    var tidy = Pickle()
    tidy.operations("]q\u{0}0")
    for level in 1...10 {
      tidy.operations("](")
      for _ in 0..<10 { tidy.raw([0x68, UInt8(level - 1)]) }
      tidy.operations("e")
      tidy.raw([0x71, UInt8(level)])
      tidy.operations("0")
    }
    tidy.raw([0x68, 10])
    tidy.operations(".")
    #expect(try problem(tidy.bytes) == .overLimit("more than 500000 values"))
  }

  @Test func aLongTextKeptAndRepeatedIsNotCopied() throws {
    // 100 KB of text, 100,000 times: 10 GB if it were copied.
    var pickle = Pickle()
    pickle.operations("](")
    pickle.text(String(repeating: "x", count: 100_000))
    pickle.operations("q\u{1}")
    pickle.raw((0..<99_999).flatMap { _ in [0x68, 1] as [UInt8] })
    pickle.operations("e.")
    try withoutMuchMemory(48 << 20) {
      try withFile(pickle.bytes) { path in
        let file = try WeightsFile(path)
        #expect(file.entries.isEmpty)
      }
    }
  }

  @Test func aListThatHoldsItselfEnds() throws {
    var pickle = Pickle()
    pickle.operations("]q\u{1}h\u{1}a.")
    #expect(try problem(pickle.bytes) == .overLimit("containers nested deeper than 32"))
  }

  @Test func deepNestingIsRefusedWithoutRecursion() throws {
    // 100,000 lists in each other; and 10,000,000, which is more objects than are made.
    for (depth, reason) in [
      (100_000, "containers nested deeper than 32"), (10_000_000, "more than 200000 objects"),
    ] {
      let bytes =
        [0x80, 2] + [UInt8](repeating: 0x5D, count: depth) + [UInt8](repeating: 0x61, count: depth - 1) + [
          0x2E
        ]
      let found = try withoutMuchMemory(96 << 20) { try problem(bytes) }
      #expect(found == .overLimit(reason))
    }
    // Tuples of one, of which each is an object of its own.
    let tuples = [0x80, 2, 0x29] + [UInt8](repeating: 0x85, count: 250_000) + [0x2E]
    #expect(try problem(tuples) == .overLimit("more than 200000 objects"))
  }

  @Test(arguments: [
    ("N", "more than 200000 values at once"), ("(", "more than 200000 marks"),
    ("}", "more than 200000 objects"),
  ])
  func manyValuesAreRefused(_ operation: String, _ reason: String) throws {
    let bytes = [0x80, 2] + [UInt8](repeating: Array(operation.utf8)[0], count: 5_000_000)
    let found = try withoutMuchMemory(96 << 20) { try problem(bytes) }
    #expect(found == .overLimit(reason))
  }

  @Test func lengthsBeyondTheFileTakeNoMemory() throws {
    for header in [
      [0x58, 0xFF, 0xFF, 0xFF, 0xFF], [0x42, 0xFF, 0xFF, 0xFF, 0x7F],
      [0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x96, 0, 0, 0, 0, 1, 0, 0, 0],
    ] as [[UInt8]] {
      let found = try withoutMuchMemory(16 << 20) { try problem([0x80, 4] + header + [0x2E]) }
      #expect(found == .pickle("a value that ends too late", byte: 2))
    }
    #expect(
      try problem([0x80, 4, 0x8E] + [UInt8](repeating: 0xFF, count: 8))
        == .pickle("a length above 2^63", byte: 2))
  }

  // MARK: Tensors

  @Test func tensorsOutsideTheirStorageAreRefused() throws {
    let cases: [(shape: [Int], strides: [Int], offset: Int, storage: Int, reach: Int)] = [
      ([5], [1], 0, 4, 5), ([4], [1], 1, 4, 5), ([2, 2], [4, 1], 0, 4, 6), ([1], [1], 4, 4, 5),
      ([2], [Int.max / 64], 0, 4, Int.max / 64 + 1), ([1], [1], Int.max / 64, 4, Int.max / 64 + 1),
    ]
    for (shape, strides, offset, storage, reach) in cases {
      let file = try Pickle.file(shape: shape, strides: strides, offset: offset, storage: storage, bytes: 16)
      guard case .pickle(let what, _) = try problem(file) else {
        Issue.record("\(shape) \(strides)")
        continue
      }
      #expect(what == "a tensor that reaches to element \(reach) of a storage of \(storage)")
    }
    #expect(
      try problem(Pickle.file(shape: [4], strides: [1], storage: 4, bytes: 15))
        == .damaged("the storage 0 is missing or too short"))
  }

  @Test func negativeAndOverflowingSizesAreRefused() throws {
    let cases: [(shape: [Int], strides: [Int], offset: Int)] = [
      ([-1], [1], 0), ([2], [-1], 1), ([2], [1], -1), ([1 << 32, 1 << 32], [0, 0], 0),
      ([1 << 32, 1 << 32, 0], [0, 0, 0], 0), ([3], [Int.max], 0), ([2, 2], [Int.max, Int.max], 0),
      ([2], [1], Int.max), ([Int.min], [Int.min], Int.min), ([1, 1], [1], 0),
      ([Int](repeating: 1, count: 64) + [1], [Int](repeating: 1, count: 65), 0),
    ]
    for (shape, strides, offset) in cases {
      let file = try Pickle.file(shape: shape, strides: strides, offset: offset, storage: 4, bytes: 16)
      guard case .pickle = try problem(file) else {
        Issue.record("\(shape) \(strides) \(offset)")
        continue
      }
    }
  }

  @Test func aFewBytesSpreadOverAHugeShapeAreRefused() throws {
    // One number 2^40 times.
    let file = try Pickle.file(shape: [1 << 40], strides: [0], storage: 1, bytes: 4)
    let found = try withoutMuchMemory(16 << 20) { try problem(file) }
    #expect(found == .overLimit("its tensors, up to a, would be much larger than the file itself"))
  }

  // MARK: Zip

  @Test func entriesOfOneNameAreRefused() throws {
    let file = try zipFile([("x/data.pkl", [0x80, 2, 0x4E, 0x2E]), ("x/data.pkl", [0x80, 2, 0x7D, 0x2E])])
    #expect(try problem(file) == .damaged("as a zip file, it has two entries x/data.pkl"))
    let two = try zipFile([("x/data.pkl", [0x80, 2, 0x4E, 0x2E]), ("y/data.pkl", [0x80, 2, 0x7D, 0x2E])])
    #expect(
      try problem(two) == .unsupported("this zip file is not one of torch.save: it has no data.pkl."))
  }

  @Test func aZipBombIsRefusedBeforeMemoryIsTaken() throws {
    // 150 KB that unpack to 24 MB: more than the file and its allowance of 16 MB.
    let (packed, count) = DeflatedZip.zeros(repeats: 93_000)
    let bomb = DeflatedZip.file(packed, count: count, crc: 0)
    let found = try withoutMuchMemory(12 << 20) { try problem(bomb) }
    #expect(found == .overLimit("x/data.pkl unpacks to \(count) bytes"))
    // A claim that no deflate stream can keep.
    let lie = DeflatedZip.file([1, 2, 3, 4], count: 5000, crc: 0)
    #expect(try problem(lie) == .overLimit("x/data.pkl would unpack from 4 bytes to 5000"))
    // More or fewer bytes than it says.
    let (small, size) = DeflatedZip.zeros(repeats: 10)
    for wrong in [size - 1, size + 1, 1, 0] {
      #expect(
        try problem(DeflatedZip.file(small, count: wrong, crc: 0))
          == .damaged("x/data.pkl cannot be unpacked"))
    }
    #expect(
      try problem(DeflatedZip.file(small, count: size, crc: 1))
        == .damaged("the checksum of x/data.pkl is wrong"))
  }

  @Test func deflatedEntriesAreRead() throws {
    // A stored block of deflate: an empty dictionary.
    let pickle: [UInt8] = [0x80, 2, 0x7D, 0x2E]
    let packed = [1] + little(UInt16(4)) + little(~UInt16(4)) + pickle
    let crc = pickle.withUnsafeBytes { moco_crc32(0, $0.baseAddress, $0.count) }
    try withFile(DeflatedZip.file(packed, count: 4, crc: crc)) { path in
      let file = try WeightsFile(path)
      #expect(file.entries.isEmpty)
    }
  }

  @Test func theListAndTheHeadersMustAgree() throws {
    let one = DeflatedZip.file([1, 2, 3, 4], count: 4, crc: 0)
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
    #expect(try problem(file) == .damaged("as a zip file, x/data.pkm is not where the list of contents says"))
  }

  // MARK: Damage

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
      #expect(try problem(changed) == .damaged("the checksum of zip/data/12 is wrong"))
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

/// Runs `body` and expects the process never to have grown by `limit` bytes meanwhile. Other suites run beside it,
/// which are small.
private func withoutMuchMemory<Value>(_ limit: Int, _ body: () throws -> Value) throws -> Value {
  #if os(Linux)
    // Sets the peak back to what is resident now. Where that is not allowed, only a new peak shows.
    try? Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    let (before, peakBefore) = (try residentBytes("VmRSS"), try residentBytes("VmHWM"))
    let value = try body()
    let peak = try residentBytes("VmHWM")
    if peak > peakBefore { #expect(peak - before < limit, "\((peak - before) >> 20) MB") }
    return value
  #else
    return try body()
  #endif
}

#if os(Linux)
  /// A line of /proc/self/status, "name: number kB".
  private func residentBytes(_ name: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + ":") })
    return try #require(line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
      << 10
  }
#endif
