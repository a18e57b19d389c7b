import CArchives
import Files
import Foundation
import Testing

@Suite("gunzip")
struct GunzipTests {
  @Test func everyMemberIsUnpacked() throws {
    let plain = try packed("plain")
    #expect(plain.count == 5000)
    #expect(try gunzip(packed("one member"), limit: 5000) == plain)
    #expect(try gunzip(packed("zero padding"), limit: 5000) == plain)
    #expect(try gunzip(packed("two members"), limit: 5001) == plain + Data("!".utf8))
    #expect(try gunzip(packed("empty member"), limit: 0).isEmpty)
  }

  @Test func outputBeyondTheLimitIsRefused() throws {
    for limit in [0, 1, 4999] {
      #expect(throws: GzipError.overLimit(limit: limit)) { try gunzip(packed("one member"), limit: limit) }
    }
    #expect(throws: GzipError.overLimit(limit: 5000)) { try gunzip(packed("two members"), limit: 5000) }
  }

  @Test func cutAtAnyLengthItIsTruncated() throws {
    let file = try packed("one member")
    for length in 0..<file.count {
      #expect(throws: GzipError.truncated) { try gunzip(file.prefix(length), limit: 5000) }
    }
  }

  @Test func damageIsFoundByTheChecksum() throws {
    var file = try packed("one member")
    file[file.count - 8] ^= 1
    #expect(throws: GzipError.corrupt(detail: "incorrect data check")) { try gunzip(file, limit: 5000) }
    #expect(throws: GzipError.corrupt(detail: "incorrect header check")) {
      try gunzip(packed("stray bytes"), limit: 5000)
    }
  }

  @Test func errorsReadAsOneLine() {
    let texts: [(GzipError, String)] = [
      (.truncated, "the gzip file ends too early; fetch or copy it again"),
      (.corrupt(detail: "why"), "the gzip file is damaged (why); fetch or copy it again"),
      (.overLimit(limit: 5000), "the gzip file unpacks to more than the limit of 5 k bytes"),
      (.outOfMemory, "not enough memory to unpack the gzip file"),
    ]
    for (error, text) in texts {
      #expect("\(error)" == text)
      #expect(error.localizedDescription == text)
    }
  }
}

@Suite("Checksum")
struct ChecksumTests {
  @Test func itIsTheStandardCRC32() {
    // The check value of the CRC catalogue for CRC-32/ISO-HDLC.
    #expect(Array("123456789".utf8).withUnsafeBytes { crc32($0) } == 0xCBF4_3926)
    #expect(crc32(UnsafeRawBufferPointer(start: nil, count: 0)) == 0)
  }

  @Test func itGoesOnFromASeed() {
    let bytes = Array("123456789".utf8)
    #expect(ca_crc32(ca_crc32(0, bytes, 4), Array(bytes.dropFirst(4)), 5) == 0xCBF4_3926)
  }
}

private let fixtures = Result {
  let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/gzip.json")
  return try JSONDecoder().decode([String: Data].self, from: Data(contentsOf: url))
}

/// A file from `Fixtures/gzip.json`.
private func packed(_ name: String) throws -> Data {
  try #require(try fixtures.get()[name], "no fixture \(name)")
}
