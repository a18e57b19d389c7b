import Foundation
import Testing
import Torch
@testable import Data

/// A tar file made byte by byte, so that it can be wrong in every way.
struct MadeTar {
  var bytes: [UInt8] = []

  /// A header and its data. `size` is written as it is given, whatever the data are.
  mutating func add(
    _ name: String, _ data: [UInt8] = [], type: Character = "0", size: [UInt8]? = nil, link: String = ""
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: [UInt8], _ at: Int) { header.replaceSubrange(at..<at + text.count, with: text) }
    put(Array(name.utf8.prefix(100)), 0)
    put(Array("0000644\0".utf8), 100)
    put(Array("0000000\0".utf8), 108)
    put(Array("0000000\0".utf8), 116)
    put(size ?? octal(data.count), 124)
    put(Array("00000000000\0".utf8), 136)
    put([UInt8](repeating: 32, count: 8), 148)
    put([type.asciiValue ?? 0], 156)
    put(Array(link.utf8), 157)
    put(Array("ustar\0".utf8) + Array("00".utf8), 257)
    let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
    put(Array((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8), 148)
    bytes += header + data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
  }

  /// With tar's two empty records.
  var closed: Data { Data(bytes + [UInt8](repeating: 0, count: 1024)) }

  func octal(_ number: Int) -> [UInt8] {
    let digits = String(number, radix: 8)
    return Array((String(repeating: "0", count: 11 - digits.count) + digits + "\0").utf8)
  }
}

/// The bytes of a number in GNU's base 256, 12 of them.
func base256(_ number: Int64, first: UInt8 = 0x80) -> [UInt8] {
  let low = (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * Int64($0))) }
  return [first] + [UInt8](repeating: number < 0 ? 0xFF : 0, count: 3) + low
}

/// Bytes that follow from the seed.
func randomBytes(_ count: Int, seed: Int) -> [UInt8] {
  var generator = CounterGenerator(seed: 11, .geometry, seed)
  var words = (0..<(count + 7) / 8).map { _ in generator.next() }
  return words.withUnsafeMutableBytes { [UInt8]($0.prefix(count)) }
}

/// What the shell writes to standard output.
@discardableResult
func shell(_ command: String) throws -> Data {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/sh")
  process.arguments = ["-c", command]
  let output = Pipe()
  process.standardOutput = output
  try process.run()
  let data = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  try #require(process.terminationStatus == 0, "\(command)")
  return data
}

/// Every member with its bytes.
func contents(_ reader: TarReader) throws -> [(member: TarMember, bytes: [UInt8])] {
  var all: [(TarMember, [UInt8])] = []
  while let member = try reader.next() { all.append((member, try reader.readAll())) }
  return all
}

enum ShardForm: CaseIterable {
  case plain, gzip, command
}

/// Shards of made-up members, the bytes of each known. The "images" are noise: nothing here decodes them.
final class MadeShards {
  let folder: TemporaryFolder
  let sources: [ShardSource]
  /// Of each sample, numbered over the shards.
  private(set) var bytes: [[UInt8]] = []

  init(_ form: ShardForm, counts: [Int], maxBytes: Int = 6000) throws {
    folder = try TemporaryFolder()
    var sources: [ShardSource] = []
    for (shard, count) in counts.enumerated() {
      var tar = MadeTar()
      tar.add("readme.txt", Array("shard \(shard)".utf8))
      for image in 0..<count {
        let sample = bytes.count
        let data = randomBytes((sample * 7919) % maxBytes, seed: sample)
        tar.add("k\(image).json", randomBytes(30, seed: image))
        tar.add("k\(image).jpg", data)
        bytes.append(data)
      }
      let path = try folder.write("s-\(shard).tar", tar.closed)
      switch form {
      case .plain: sources.append(.file(path))
      case .gzip:
        try folder.write("s-\(shard).tar.gz", shell("gzip -c '\(path)'"))
        sources.append(.file(path + ".gz"))
      case .command: sources.append(.command("cat '\(path)'"))
      }
    }
    self.sources = sources
  }

  func index() throws -> ShardIndex { try ShardIndex(sources, threads: 2, cache: nil) }
}
