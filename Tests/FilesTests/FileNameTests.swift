import Foundation
import TestSupport
import Testing
@testable import Files

@Suite("Names that are no UTF-8")
struct FileNameTests {
  @Test(
    arguments: [
      ([0x6C, 0xE9, 0x2E, 0x6A], "l\\xE9.j"), ([0xC3, 0xA9], "é"), ([0xC3], "\\xC3"),
      ([0xF0, 0x9F, 0x98, 0x80], "😀"),
      ([0xF0, 0x9F, 0x98], "\\xF0\\x9F\\x98"), ([0xED, 0xA0, 0x80], "\\xED\\xA0\\x80"), ([], ""),
      ([0x5C, 0x6E], "\\n"), (Array("a\\xE9".utf8), "a\\x5CxE9"), (Array("a\\x5C".utf8), "a\\x5Cx5C"),
      (Array("\\x41".utf8), "\\x41"), (Array("\\xe9".utf8), "\\xe9"), ([0x5C, 0xE9], "\\\\xE9"),
    ] as [([UInt8], String)])
  func theBytesComeBack(_ bytes: [UInt8], _ text: String) {
    #expect(FileName.text(bytes) == text)
    #expect(FileName.bytes(text) == bytes)
  }

  @Test func noTwoNamesHaveOneText() {
    var random = SystemRandomNumberGenerator()
    let letters: [UInt8] = Array("\\x5CE9é".utf8) + [0xE9, 0xFF, 0x80]
    for _ in 0..<20_000 {
      let name = (0..<Int.random(in: 0...9, using: &random)).map { _ in letters.randomElement(using: &random)!
      }
      #expect(FileName.bytes(FileName.text(name)) == name)
    }
  }

  @Test func aPathOpensTheFileWithThoseBytes() throws {
    try withFolder { folder in
      let raw =
        Array(folder.utf8CString.dropLast()) + Array("/caf".utf8CString.dropLast()) + [
          CChar(bitPattern: 0xE9), 0,
        ]
      try #require(close(open(raw, O_CREAT | O_WRONLY, 0o600)) == 0)
      let path = FilePath(folder, "caf\\xE9")
      #expect(path.withCString { access($0, R_OK) } == 0)
      #expect(path.text == folder + "/caf\\xE9")
      #expect(FilePath("elsewhere", folder + "/caf\\xE9").withCString { access($0, R_OK) } == 0)
      // What a user gives is taken as it is.
      #expect(FilePath(folder + "/caf\\xE9").withCString { access($0, R_OK) } == -1)
    }
  }
}
