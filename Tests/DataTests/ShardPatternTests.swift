import Foundation
import Testing
@testable import Data

@Suite struct ShardPatterns {
  private func expanded(_ text: String) throws(ShardError) -> [String] {
    try ShardPattern.expand(text, of: text)
  }

  private func message(_ work: () throws -> [ShardSource], in folder: TemporaryFolder? = nil) -> String {
    do {
      return "\(try work().count) shards"
    } catch {
      return folder.map { "\(error)".replacingOccurrences(of: $0.path, with: "F") } ?? "\(error)"
    }
  }

  /// Every pattern, as webdataset itself expands it.
  @Test func bracesAreExpandedAsInWebDataset() throws {
    for entry in try MadeByWebDataset.load().patterns {
      let names = try ShardPattern.parts(of: entry.pattern).flatMap { part in try expanded(part) }
      #expect(names == entry.names, "\(entry.pattern)")
    }
  }

  @Test func aHostilePatternIsRefusedBeforeItIsExpanded() throws {
    func message(_ pattern: String) -> String {
      do { return "\(try expanded(pattern).count) names" } catch { return "\(error)" }
    }
    let six = try BraceExpansion("{a,{b..f}}")
    #expect(try six.names(limit: 6) == ["a", "b", "c", "d", "e", "f"])
    #expect(throws: BraceExpansion.Failure.tooMany) { try six.names(limit: 5) }
    let tooMany = "names more than 1,000,000 shards; check its ranges"
    for pattern in [
      "{0..1000}{0..999}", "{1..9223372036854775807}", "{-9223372036854775808..9223372036854775807}",
      "{1..99999999999999999999}", String(repeating: "{a,b}", count: 21), "{{1..600000},{1..600000}}",
    ] { #expect(message(pattern) == "\(pattern) \(tooMany)") }
    #expect(message("{-9223372036854775808..-9223372036854775807}") == "2 names")
    #expect(
      message("{a") == "{a: its braces do not match; write \\{ for one that is a part of a name")
    #expect(message("a}b").contains("do not match"))
    let deep = String(repeating: "{a,", count: 40) + "b" + String(repeating: "}", count: 40)
    #expect(message(deep).hasSuffix("its braces stand too deep in one another"))
  }

  @Test func whatMeansShardsIsRecognized() throws {
    let folder = try TemporaryFolder()
    try folder.makeFolder("folder.tar")
    for name in ["only/a.tar", "only/b.tar", "mixed/a.tar", "mixed/b.jpg"] { try folder.write(name) }
    for name in [
      "a.tar", "a-{0..9}.TAR", "x/y.tar.gz", "a.tgz", "a.tar.zst", "pipe:curl x", "x-{a,b}.{tar,tgz}",
      "x.tar::y",
      "\(folder.path)/only/*", "*.tar", "pipe:a::pipe:b",
    ] { #expect(ShardPattern.recognizes(name), "\(name)") }
    for name in [
      "a", "a.txt", "tar", "a.tar.bz2", folder.path + "/folder.tar", folder.path + "/mixed/*", "x.{tar,txt}",
      "",
    ] { #expect(!ShardPattern.recognizes(name), "\(name)") }
  }

  @Test func filesMustBeThere() throws {
    let folder = try TemporaryFolder()
    for name in ["a-0.tar", "a-1.tar", "a-3.tar", "odd{1}.tar"] { try folder.write(name) }
    try folder.makeFolder("b-0.tar")
    func message(_ pattern: String) -> String {
      self.message({ try ShardPattern.sources(pattern) }, in: folder)
    }
    let root = folder.path
    let both: [ShardSource] = [.file("\(root)/a-0.tar"), .file("\(root)/a-1.tar")]
    #expect(try ShardPattern.sources("\(root)/a-{0..1}.tar") == both)
    #expect(try ShardPattern.sources("\(root)/a-{1..0}.tar") == both.reversed())
    #expect(message("\(root)/odd{1}.tar") == "1 shards", "a file of that name is meant")
    #expect(
      message("\(root)/a-{0..4}.tar")
        == "F/a-2.tar does not exist, nor do 1 others of 5 shards; check the path and the range")
    #expect(message("\(root)/z.tar") == "F/z.tar does not exist; check the path and the range")
    #expect(
      message("x-{0..N}.tar")
        == "x-{0..N}.tar: \"{0..N}.tar\" is no range of numbers; write one as {000..127}")
    #expect(
      message("{0..999}{0..9999}.tar").hasSuffix(".tar names more than 1,000,000 shards; check its ranges"))
    #expect(
      message("\(root)/b-0.tar")
        == "F/b-0.tar cannot be read: not a regular file; read others as \"pipe:cat F/b-0.tar\"")
  }

  /// In a command only ranges of numbers are expanded; all else is the shell's.
  @Test func commandsKeepTheirBraces() throws {
    #expect(try ShardPattern.sources("pipe: cat {1..2}") == [.command("cat 1"), .command("cat 2")])
    #expect(
      try ShardPattern.sources("pipe:awk '{print $1, $2}' x-{08..10..2}.tar")
        == [.command("awk '{print $1, $2}' x-08.tar"), .command("awk '{print $1, $2}' x-10.tar")])
    #expect(
      message({ try ShardPattern.sources("pipe: ") })
        == "pipe: : no command; write one behind pipe:, such as pipe:curl URL")
    #expect(
      message({ try ShardPattern.sources("pipe:cat {1..9223372036854775807}") }).contains(
        "names more than 1,000,000"))
  }

  @Test func globsAreExpandedInByteOrder() throws {
    let folder = try TemporaryFolder()
    for name in [
      "b.tar", "a-10.tar", "a-9.tar", "A.tar", ".hidden.tar", "._b.tar", "x[1].tar", "t.txt", "sub/c.tar",
    ] {
      try folder.write(name)
    }
    func names(_ pattern: String) throws -> [String] {
      try ShardPattern.sources("\(folder.path)/\(pattern)").map {
        String($0.description.dropFirst(folder.path.count + 1))
      }
    }
    #expect(try names("*.tar") == ["A.tar", "a-10.tar", "a-9.tar", "b.tar", "x[1].tar"])
    #expect(try names("a-?.tar") == ["a-9.tar"])
    #expect(try names("[Ab].tar") == ["A.tar", "b.tar"])
    #expect(try names("{b,a-*}.tar") == ["b.tar", "a-10.tar", "a-9.tar"])
    #expect(try names("*/*.tar") == ["sub/c.tar"])
    #expect(try names("x[1].tar") == ["x[1].tar"], "a file of that name is meant")
    #expect(
      message({ try ShardPattern.sources("\(folder.path)/z*.tar") }, in: folder)
        == "F/z*.tar matches no file; check the path")
  }

  @Test func aFolderOfImagesNeedsNoIndex() throws {
    for name in ["1.png", "cat/1.png"] {
      let folder = try TemporaryFolder()
      try folder.write("notes/a.txt")
      #expect(
        message({ try ShardPattern.sources(folder.path) }, in: folder)
          == "F/*.tar matches no file; check the path")
      try folder.image(name)
      #expect(
        message({ try ShardPattern.sources(folder.path) }, in: folder)
          == "F is a folder of images, which needs no index: give it to pretrain as it is")
    }
  }

  @Test func aPipeAmongShardsIsNamed() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.tar")
    #expect(mkfifo(folder.path + "/b.tar", 0o600) == 0)
    #expect(
      message({ try ShardPattern.sources(folder.path) }, in: folder)
        == "F/b.tar cannot be read: not a regular file; read others as \"pipe:cat F/b.tar\"")
  }

  @Test func severalAreGivenWithColons() throws {
    let folder = try TemporaryFolder()
    for name in ["a.tar", "b-0.tar", "b-1.tar", "odd::x.tar"] { try folder.write(name) }
    let root = folder.path
    #expect(
      try ShardPattern.sources("\(root)/b-{0..1}.tar::\(root)/a.tar")
        == ["b-0.tar", "b-1.tar", "a.tar"].map { .file("\(root)/\($0)") })
    #expect(
      try ShardPattern.sources("\(root)/a.tar::pipe:cat x::y::pipe:cat z")
        == [.file("\(root)/a.tar"), .command("cat x::y"), .command("cat z")])
    #expect(try ShardPattern.sources("\(root)/odd::x.tar") == [.file("\(root)/odd::x.tar")])
    #expect(ShardPattern.runsCommands("a.tar::pipe:cat x") && !ShardPattern.runsCommands("a.tar::b.tar"))
    #expect(ShardPattern.absolute("a.tar::pipe:cat x") { "/d/" + $0 } == "/d/a.tar::pipe:cat x")
  }

  @Test func aFolderOfShardsIsRead() throws {
    let folder = try TemporaryFolder()
    for name in ["s-1", "s-0"] {
      var tar = MadeTar()
      tar.add("\(name).png", Array(try noise(side: 8, seed: 1).pngData()))
      try folder.write("data/\(name).tar", tar.closed)
    }
    try folder.write("data/notes.txt")
    let dataset = try Dataset.open(folder.path + "/data")
    #expect(dataset.summary == "2 images, no labels, tar shards")
    #expect((0..<2).map { dataset.name($0) } == ["s-0.tar/s-0.png", "s-1.tar/s-1.png"])
    #expect(try dataset.fingerprint == Dataset.open(folder.path + "/data/s-{0..1}.tar").fingerprint)
    #expect(try ShardPattern.sources(folder.path + "/data").count == 2)
    // A folder above is told which one holds them; images beside an archive are what came out of it.
    let above = #expect(throws: DatasetError.self) { try Dataset.open(folder.path) }
    #expect(
      above?.description.replacingOccurrences(of: folder.path, with: "F")
        == "F holds no image, but F/data holds tar files; name that folder, or its shards as 'F/data/*.tar'")
    try folder.image("data/cat/1.png")
    #expect(try Dataset.open(folder.path + "/data", allowsOneImage: true).format == "class folders")
  }

  @Test func aFolderOfTwoPartsIsAsked() throws {
    let folder = try TemporaryFolder()
    for name in ["set-train-0.tar", "set-train-1.tar", "set_val.tar"] { try folder.write(name) }
    let error = #expect(throws: DatasetError.self) { try Dataset.open(folder.path) }
    #expect(
      error?.description.replacingOccurrences(of: folder.path, with: "F")
        == "F holds shards of train and of val; name those of one, such as 'F/*train*'")
  }
}
