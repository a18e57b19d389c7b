import Foundation
import TestSupport
import Testing

/// `moco pack` as a user meets it.
@Suite(.serialized) struct PackTests {
  private let data: String
  private let folder = temporaryFolder()

  init() throws { data = try makeImageFolder(images: 24) }

  private func files() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func shardsAreWrittenAndTold() throws {
    let result = try Program.run(
      "pack", data, "--out", "\(folder)/s-{000..N}.tar", "--shard-images", "10", "--workers", "2")
    #expect(result.code == 0, "\(result.errors)")
    #expect(try files() == ["s-000.tar", "s-001.tar", "s-002.tar", "s-index.json"])
    let lines = result.errors.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("24/24 images  ") }, "\(lines)")
    #expect(lines.last?.hasPrefix("24 images, ") == true)
    #expect(
      lines.last?.hasSuffix(
        " MB, in 3 shards: \(folder)/s-000.tar to \(folder)/s-002.tar; their index is \(folder)/s-index.json")
        == true)
    let again = try Program.run("pack", data, "--out", "\(folder)/s-{000..002}.tar", "--quiet")
    #expect(
      again.errors
        == "moco: \(folder)/s-000.tar is there already; choose another name, or --overwrite\n")
    #expect(again.code == 1)
    let over = try Program.run("pack", data, "--out", "\(folder)/s-{000..002}.tar", "--quiet", "--overwrite")
    #expect(over.code == 0 && over.errors == "")
  }

  @Test func wrongUseExitsWith2() throws {
    let cases = [
      (["--resize", "0"], "moco: --resize 0: a short side of 8 to 10,000 pixels.\n"),
      (["--quality", "101"], "moco: --quality 101: libjpeg's scale is 1 to 100.\n"),
      (["--shard-images", "-1"], "moco: --shard-images -1: at least 1.\n"),
      (["--workers", "0"], "moco: --workers 0: 1 to 1024.\n"),
    ]
    for (arguments, message) in cases {
      let result = try Program.run(["pack", data, "--out", "\(folder)/s.tar"] + arguments)
      #expect(result.code == 2 && result.errors == message, "\(arguments): \(result.code) \(result.errors)")
    }
    let nowhere = try Program.run("pack", data, "--out", "\(folder)/no/s.tar")
    #expect(
      nowhere.code == 2
        && nowhere.errors
          == "moco: --out \(folder)/no/s.tar: cannot write into the folder \(folder)/no: there is no such file or folder. "
          + "Check the path.\n"
    )
    #expect(try Program.run("pack", data).code == 2)
    #expect(try files() == [])
  }

  @Test func badImagesAreToldAndManyEndIt() throws {
    try Data("no image".utf8).write(to: URL(fileURLWithPath: "\(data)/class0/bad.png"))
    let one = try Program.run("pack", data, "--out", "\(folder)/s.tar")
    #expect(one.code == 0)
    #expect(
      one.errors.contains(
        "warning: left out: class0/bad.png: not a JPEG, PNG, WebP, TIFF, BMP, GIF, PNM or AVIF image"))
    #expect(one.errors.contains("warning: 1 of 25 images cannot be read\n"))
    try Data("no image".utf8).write(to: URL(fileURLWithPath: "\(data)/class1/worse.png"))
    let two = try Program.run("pack", data, "--out", "\(folder)/t.tar")
    #expect(two.code == 1)
    #expect(two.errors.contains("moco: 2 of 26 images cannot be read, more than 5%: "), "\(two.errors)")
    #expect(try files() == ["s-index.json", "s.tar"])
  }
}
