import Data
import Foundation
import Images
import TestSupport
import Testing

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

@Suite("Errors of IDX and CIFAR files")
struct ContainerErrorTests {
  @Test func errorsReadAsOneLine() {
    let texts: [(any Error, String)] = [
      (IDXError.notIDX(magic: 7), "not an IDX file of images (2051) or labels (2049): it begins with 7"),
      (
        IDXError.truncated(bytes: 9, needed: 10),
        "the IDX file has 9 bytes where its header asks for 10; fetch or copy it again"
      ),
      (
        IDXError.trailingBytes(bytes: 11, needed: 10),
        "the IDX file has 11 bytes, more than the 10 that its header asks for; fetch or copy it again"
      ),
      (
        IDXError.impossibleSize(shape: [1, 2, 3]),
        "the IDX file's header asks for 1 x 2 x 3 bytes; it is damaged"
      ),
      (IDXError.emptyImages(width: 0, height: 28), "the IDX file's images have 0 x 28 pixels; it is damaged"),
      (
        IDXError.inFile(path: "f.gz", .gzip(.truncated)),
        "f.gz: the gzip file ends too early; fetch or copy it again"
      ),
      (IDXError.inFile(path: "f", .unreadable(.empty)), "f: the file is empty; fetch or copy it again"),
      (
        CIFARError.wrongSize(bytes: 3074, .cifar10),
        "3074 bytes are not a whole number of CIFAR-10 records of 3073 bytes; fetch or copy the file again"
      ),
      (
        CIFARError.wrongLabel(10, record: 4, .cifar10),
        "record 4 has label 10, but CIFAR-10 has only the classes 0 to 9; the file is damaged or of another kind"
      ),
      (CIFARError.inFile(path: "f", .unreadable(.empty)), "f: the file is empty; fetch or copy it again"),
    ]
    for (error, text) in texts {
      #expect("\(error)" == text)
      #expect(error.localizedDescription == text)
    }
  }
}

private let fixtures = Result {
  let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/idx.json")
  return try JSONDecoder().decode([String: Data].self, from: Data(contentsOf: url))
}

/// A file from `Fixtures/idx.json`.
private func packed(_ name: String) throws -> Data {
  try #require(try fixtures.get()[name], "no fixture \(name)")
}

private func bigEndian(_ value: UInt32) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}
