import Foundation
import Images
import TestSupport
import Testing

/// `moco check` and `moco bench loader` as a user runs them.
@Suite struct DataCommandTests {
  private let data: String

  init() throws {
    data = temporaryFolder()
    for number in 0..<12 {
      let pixels = (0..<40 * 30 * 3).map { UInt8(truncatingIfNeeded: $0 &* (number + 3)) }
      let image = RGBImage(width: 40, height: 30, pixels: pixels)
      try image.jpegData(quality: 90).write(to: URL(fileURLWithPath: "\(data)/\(100 + number).jpg"))
    }
  }

  @Test func aGoodSetIsSaidToBeGood() throws {
    let result = try Program.run("check", data)
    #expect(result.code == 0, "\(result.errors)")
    #expect(
      result.output.contains("ok            12\ntruncated-ok  0\nrefused       0\n"), "\(result.output)")
    #expect(result.output.contains("below 32 px     12"), "\(result.output)")
    #expect(result.output.contains("1.33 - 2        12"), "\(result.output)")
  }

  @Test func aBadImageIsNamedAndTheTableHoldsAll() throws {
    let file = URL(fileURLWithPath: data + "/105.jpg")
    try Data(contentsOf: file).prefix(900).write(to: file)
    try Data("no image".utf8).write(to: URL(fileURLWithPath: data + "/106.jpg"))
    let result = try Program.run("check", data, "--tsv", data + "/table.tsv")
    #expect(result.code == 1)
    #expect(
      result.output.contains("truncated-ok  105.jpg: the JPEG image ends too early; fetch or copy it again"),
      "\(result.output)")
    let lines = try String(contentsOfFile: data + "/table.tsv", encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 13)
    #expect(lines[0] == "path\tverdict\twidth\theight\tmean_r\tmean_g\tmean_b")
    #expect(lines[1].hasPrefix("100.jpg\tok\t40\t30\t"))
    #expect(lines[6].hasPrefix("105.jpg\ttruncated-ok\t40\t30\t"))
    #expect(lines[7] == "106.jpg\trefused\t\t\t\t\t")
  }

  @Test func aTableThatCannotBeWrittenIsAnError() throws {
    let result = try Program.run("check", data, "--tsv", data + "/nowhere/table.tsv")
    #expect(result.code == 1)
    #expect(result.errors.contains("nowhere/table.tsv: cannot be written"), "\(result.errors)")
  }

  @Test func theLoaderBenchmarkPrintsItsThreeNumbers() throws {
    let result = try Program.run(
      "bench", "loader", data, "--image-size", "16", "--passes", "1", "--workers", "2", "--json")
    #expect(result.code == 0, "\(result.errors)")
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Double])
    for key in ["decode", "crops", "full"] { #expect(try #require(json[key]) > 0) }
  }

  #if os(Linux)
    /// 1 KB an image is the bar; a leak of one crop of 16 pixels would show as 768 bytes a view.
    @Test func loadingForLongTakesNoMoreMemoryThreadsOrFiles() throws {
      let result = try Program.run("bench", "loader", data, "--image-size", "16", "--soak", "20000", "--json")
      #expect(result.code == 0, "\(result.errors)")
      let json = try #require(
        try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Double])
      #expect(try #require(json["images"]) >= 19_990)
      #expect(try #require(json["bytes_per_image"]) < 1024, "\(json)")
      #expect(json["threads_half"] == json["threads_end"])
      // The one worker may have an image open when it is counted.
      let files = [try #require(json["files_half"]), try #require(json["files_end"])]
      #expect(abs(files[0] - files[1]) <= 1, "\(files)")
    }
  #endif
}
