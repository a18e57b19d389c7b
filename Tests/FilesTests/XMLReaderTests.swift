import Files
import Foundation
import TestSupport
import Testing

@Suite struct XMLReaderTests {
  private struct Listing: XMLElements {
    var lines: [String] = []
    mutating func begin(_ path: String) { lines.append("<" + path) }
    mutating func end(_ path: String, text: String?) { lines.append(path + "=" + (text ?? "…")) }
  }

  private func read(_ text: String, limits: XMLLimits = XMLLimits()) throws -> [String] {
    try withTemporaryFile(Data(text.utf8)) { try readXML($0, into: Listing(), limits: limits).lines }
  }

  private func failure(_ text: String, limits: XMLLimits = XMLLimits()) throws -> String {
    try withTemporaryFile(Data(text.utf8)) { path in
      do {
        _ = try readXML(path, into: Listing(), limits: limits)
        return ""
      } catch { return "\(error)".replacing(path, with: "a.xml") }
    }
  }

  @Test func elementsComeWithTheirPathAndText() throws {
    #expect(
      try read("<?xml version='1.0'?><a><b x='1'> 1 &lt; 2\n</b><c/>text<d><b>é</b></d></a>") == [
        "<a", "<a/b", "a/b=1 < 2", "<a/c", "a/c=", "<a/d", "<a/d/b", "a/d/b=é", "a/d=…", "a=…",
      ])
  }

  @Test func aDocumentTypeWithoutEntitiesIsRead() throws {
    #expect(try read("<!DOCTYPE a SYSTEM 'http://nowhere/a.dtd'><a>1</a>") == ["<a", "a=1"])
  }

  @Test(arguments: [
    "<!DOCTYPE a [<!ENTITY x 'lol'><!ENTITY y '&x;&x;'>]><a>&y;</a>",
    "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
    "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://nowhere/x'>%x;]><a/>",
  ])
  func entitiesAreRefused(text: String) throws {
    #expect(
      try failure(text)
        == "a.xml, line 1: it declares entities, which annotations do not need and which are not read; take them out"
    )
  }

  @Test func limitsHold() throws {
    var limits = XMLLimits()
    (limits.depth, limits.elements, limits.text, limits.bytes) = (2, 4, 6, 60)
    #expect(try read("<a><b>123456</b><c/><d/></a>", limits: limits).count == 8)
    #expect(
      try failure("<a><b><c/></b></a>", limits: limits)
        == "a.xml, line 1: more than 2 elements within each other; it is no file of annotations")
    #expect(
      try failure("<a>\n<b/><b/><b/><b/></a>", limits: limits)
        == "a.xml, line 2: more than 4 elements; keep the annotations of each image in a file of its own")
    #expect(
      try failure("<a><b>123</b><b>1234567</b></a>", limits: limits)
        == "a.xml, line 1: a name or a text of more than 6 bytes; it is no file of annotations")
    #expect(
      try failure("<abcdefg/>", limits: limits)
        == "a.xml, line 1: a name or a text of more than 6 bytes; it is no file of annotations")
    #expect(
      try failure("<a>" + String(repeating: " ", count: 61) + "</a>", limits: limits)
        == "a.xml, line 1: the file has 68 bytes, over the limit of 60; keep the annotations of each image in a file of its own"
    )
  }

  @Test(arguments: [
    ("", "no element found"), ("<a>", "no element found"), ("<a></b>", "mismatched tag"),
    ("<a>&nbsp;</a>", "undefined entity"), ("{}", "not well-formed (invalid token)"),
    ("<a/><b/>", "junk after document element"),
  ])
  func damagedFilesAreErrors(text: String, detail: String) throws {
    #expect(try failure(text) == "a.xml, line 1: no well-formed XML (\(detail)); fetch or write it again")
  }
}
