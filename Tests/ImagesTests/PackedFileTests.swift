import CCodecs
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

@Suite("IDX files")
struct IDXFileTests {
  @Test func imagesComeInOrderWithTheirGrayInAllChannels() throws {
    guard case .images(let images) = try IDXFile(packed("idx images")) else {
      Issue.record("not images")
      return
    }
    #expect(images.count == 3)
    let last = images[2]
    #expect(last.width == 5)
    #expect(last.height == 4)
    #expect(last.pixels == (40..<60).flatMap { [UInt8](repeating: $0, count: 3) })
  }

  @Test func labelsComeInOrder() throws {
    #expect(try IDXFile(packed("idx labels")) == .labels([7, 0, 255]))
  }

  @Test func gzipIsToldByContentNotByName() throws {
    let plain = try withTemporaryFile(packed("idx images")) { try IDXFile(contentsOf: $0) }
    let gzip = try withTemporaryFile(packed("idx images gz")) { try IDXFile(contentsOf: $0) }
    #expect(plain == gzip)
    #expect(try plain == IDXFile(packed("idx images")))
  }

  @Test func theHeaderMustAccountForEveryByte() throws {
    let file = try packed("idx images")
    #expect(throws: IDXError.truncated(bytes: 7, needed: 8)) { try IDXFile(file.prefix(7)) }
    #expect(throws: IDXError.truncated(bytes: 15, needed: 16)) { try IDXFile(file.prefix(15)) }
    #expect(throws: IDXError.truncated(bytes: 75, needed: 76)) { try IDXFile(file.prefix(75)) }
    #expect(throws: IDXError.trailingBytes(bytes: 77, needed: 76)) { try IDXFile(file + [0]) }
    #expect(throws: IDXError.notIDX(magic: 0x802)) { try IDXFile(Data(bigEndian(0x802) + bigEndian(0))) }
  }

  @Test func aHugeSizeIsRefusedBeforeMemoryIsTaken() {
    let shape: [UInt32] = [.max, .max, .max]
    #expect(throws: IDXError.impossibleSize(shape: shape.map(Int.init))) {
      try IDXFile(Data(bigEndian(0x803) + shape.flatMap(bigEndian)))
    }
    #expect(throws: IDXError.emptyImages(width: 0, height: 4)) {
      try IDXFile(Data([0x803, 0, 4, 0].flatMap(bigEndian)))
    }
  }

  @Test func errorsNameTheFile() throws {
    try withTemporaryFile(packed("idx images gz").dropLast()) { path in
      #expect(throws: IDXError.inFile(path: path, .gzip(.truncated))) { try IDXFile(contentsOf: path) }
    }
    #expect(
      throws: IDXError.inFile(
        path: "/nonexistent", .unreadable(.unreadable(reason: "No such file or directory")))
    ) {
      try IDXFile(contentsOf: "/nonexistent")
    }
    try withTemporaryFile(packed("one member")) { path in
      #expect(throws: IDXError.inFile(path: path, .gzip(.overLimit(limit: 4999)))) {
        try IDXFile(contentsOf: path, limit: 4999)
      }
    }
  }
}

@Suite("CIFAR batches")
struct CIFARBatchTests {
  /// Red counts the columns, green the rows, blue is the record's label.
  private func record(_ labels: [UInt8]) -> [UInt8] {
    let places = (0..<1024)
    return labels + places.map { UInt8($0 % 32) } + places.map { UInt8($0 / 32) }
      + [UInt8](repeating: labels[labels.count - 1], count: 1024)
  }

  @Test func planesBecomePixels() throws {
    let batch = try CIFARBatch(Data(record([3]) + record([9])), variant: .cifar10)
    #expect(batch.count == 2)
    #expect((0..<2).map(batch.label) == [3, 9])
    let image = batch[1]
    #expect(image.width == 32 && image.height == 32)
    for y in 0..<32 {
      for x in 0..<32 { #expect(image[x, y] == (UInt8(x), UInt8(y), 9)) }
    }
  }

  @Test func theFineLabelOfCIFAR100IsTheSecondByte() throws {
    let batch = try CIFARBatch(Data(record([19, 99]) + record([0, 4])), variant: .cifar100)
    #expect((0..<batch.count).map(batch.label) == [99, 4])
    #expect(batch[0][31, 30] == (31, 30, 99))
  }

  @Test func sizesAndLabelsAreChecked() throws {
    #expect(throws: CIFARError.wrongSize(bytes: 0, .cifar10)) { try CIFARBatch(Data(), variant: .cifar10) }
    #expect(throws: CIFARError.wrongSize(bytes: 3072, .cifar10)) {
      try CIFARBatch(Data(record([3]).dropLast()), variant: .cifar10)
    }
    #expect(throws: CIFARError.wrongLabel(10, record: 1, .cifar10)) {
      try CIFARBatch(Data(record([3]) + record([10])), variant: .cifar10)
    }
    try withTemporaryFile(Data([1])) { path in
      #expect(throws: CIFARError.inFile(path: path, .wrongSize(bytes: 1, .cifar100))) {
        try CIFARBatch(contentsOf: path, variant: .cifar100)
      }
    }
  }
}
