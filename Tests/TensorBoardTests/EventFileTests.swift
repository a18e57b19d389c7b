import Foundation
import Images
import TestSupport
import Testing
@testable import TensorBoard

@Suite struct ChecksumTests {
  @Test func equalsThePublishedVectors() {
    // RFC 3720, appendix B.4.
    #expect(crc32c([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(crc32c([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(crc32c(0..<32) == 0x46dd_794e)
    #expect(crc32c((0..<32).reversed()) == 0x113f_db5c)
    // The check value of the catalogues of CRCs.
    #expect(crc32c("123456789".utf8) == 0xe306_9283)
    #expect(crc32c([]) == 0)
  }
}

@Suite struct RecordTests {
  /// The expected bytes are those that TensorBoard 2.21's RecordWriter writes.
  @Test func isLengthChecksumContentChecksum() {
    #expect(
      record(Array("abc".utf8)) == [3, 0, 0, 0, 0, 0, 0, 0, 176, 153, 73, 14] + Array("abc".utf8) + [
        110, 87, 241, 33,
      ])
    #expect(record([]) == [0, 0, 0, 0, 0, 0, 0, 0, 41, 3, 152, 7, 216, 234, 130, 162])
    // The length and its checksum at the head of almost every event file there is.
    #expect(
      record([UInt8](repeating: 0, count: 24)).prefix(12) == [
        24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22,
      ])
  }
}

@Suite struct EventFileTests {
  private let folder = temporaryFolder()

  /// The events of a file; nothing if a record's frame is wrong.
  private func events(_ path: String) throws -> [Event] {
    var rest = try Data(contentsOf: URL(fileURLWithPath: path))[...]
    var events: [Event] = []
    while !rest.isEmpty {
      let length = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      let content = [UInt8](rest.dropFirst(12).prefix(length))
      try #require(Array(rest.prefix(length + 16)) == record(content))
      events.append(try Event(serializedBytes: content))
      rest = rest.dropFirst(length + 16)
    }
    return events
  }

  @Test func beginsWithItsVersionAndTheStepItContinuesAt() throws {
    let file = try EventFile(in: folder, resumingFrom: 7)
    let events = try events(file.path)
    #expect(events.count == 2)
    #expect(events.first?.fileVersion == "brain.Event:2" && events.first?.step == 0)
    #expect(events.last?.sessionLog.status == .start && events.last?.step == 8)
    let now = Date().timeIntervalSince1970
    // An hour's width: the clock may be set while tests run, but the unit must be seconds.
    #expect(events.allSatisfy { abs($0.wallTime - now) < 3600 })
  }

  @Test func everyEventIsInTheFileAtOnce() throws {
    let file = try EventFile(in: folder, resumingFrom: 0)
    try file.write(scalars: [("a", 0.1), ("b", .nan)], step: 3)
    let scalars = try #require(try events(file.path).last)
    #expect(scalars.step == 3 && scalars.summary.value.map(\.tag) == ["a", "b"])
    #expect(scalars.summary.value.first?.simpleValue == Float(0.1))
    #expect(scalars.summary.value.last?.simpleValue.isNaN == true)
    try file.write(text: "häßlich", tag: "t", step: 4)
    let text = try #require(try events(file.path).last?.summary.value.first)
    #expect(text.metadata.pluginData.pluginName == "text" && text.tensor.dtype == .string)
    #expect(text.tensor.stringValues == [Data("häßlich".utf8)])
    let picture = RGBImage(width: 2, height: 1, pixels: [1, 2, 3, 4, 5, 6])
    try file.write(image: picture, tag: "p", step: 5)
    let image = try #require(try events(file.path).last?.summary.value.first?.image)
    #expect((image.width, image.height, image.colorspace) == (2, 1, 3))
    #expect(try ImageDecoder().decode(image.encodedImageString) == picture)
  }

  @Test func namesAreInTheOrderOfTheSessions() throws {
    let paths = try (0..<3).map { try EventFile(in: folder, resumingFrom: $0).path }
    #expect(Set(paths).count == 3 && paths == paths.sorted())
    // A clock that was ahead when the file before was made.
    try Data().write(to: URL(fileURLWithPath: "\(folder)/events.out.tfevents.4000000000.elsewhere"))
    let name = (try EventFile(in: folder, resumingFrom: 0).path as NSString).lastPathComponent
    #expect(name.hasPrefix("events.out.tfevents.4000000001."))
  }
}
