import Foundation
import Images
import Testing
@testable import Data

@Suite struct Checking {
  /// Good, cut and empty files, and one without an image's name.
  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let image = noise(side: 16, seed: 3)
    let png = try image.pngData()
    try folder.write("a.png", png)
    try folder.write("b.png", png.prefix(png.count / 2))
    try folder.write("c.png", Data())
    try folder.write("d", png)
    try folder.write("notes", Data("no image".utf8))
    return folder
  }

  @Test(arguments: [1, 3]) func everyImageGetsItsVerdictInOrder(_ workers: Int) throws {
    let folder = try folder()
    let dataset = try Dataset.open(folder.path)
    var entries: [DatasetCheck.Entry] = []
    try DatasetCheck(dataset, workers: workers).run { entries.append($0) }
    #expect(entries.map(\.name) == ["a.png", "b.png", "c.png", "d"])
    #expect(entries.map(\.verdict) == [.ok, .truncatedOk, .refused, .ok])
    #expect(entries.map(\.width) == [16, 16, 0, 16])
    #expect(entries[0].mean == noise(side: 16, seed: 3).mean)
    #expect(entries[0].reason == nil)
    #expect(entries[2].reason == "the file is empty; fetch or copy it again")
  }

  /// It is one rule for both, so that what is checked is what is trained on.
  @Test func trainingFindsTheSameFiles() throws {
    let folder = try folder()
    let dataset = try Dataset.open(folder.path)
    #expect((0..<dataset.count).map { dataset.name($0) } == ["a.png", "b.png", "c.png", "d"])
    #expect(dataset.leftOut.text == "1 without ending (not read as images)" && !dataset.leftOut.isLoss)
  }

  private func report(_ folder: TemporaryFolder, _ decoder: ImageDecoder = ImageDecoder()) throws
    -> CheckReport
  {
    var report = CheckReport()
    let dataset = try Dataset.open(folder.path, decoder: decoder)
    try DatasetCheck(dataset, workers: 1).run { report.count($0) }
    return report
  }

  @Test func imagesOfOneColourAreCounted() throws {
    let folder = try TemporaryFolder()
    for (number, level) in [UInt8(255), 0, 7].enumerated() {
      let flat = RGBImage(width: 4, height: 4, pixels: Array(repeating: level, count: 48))
      try folder.write("\(number).png", try flat.pngData())
    }
    let almost = RGBImage(width: 4, height: 4, pixels: Array(repeating: 9, count: 47) + [10])
    try folder.write("3.png", try almost.pngData())
    let report = try report(folder)
    #expect(report.ok == 4 && report.oneColor == 3)
    #expect(report.isGood)
    #expect(report.deep == nil)
  }

  /// 12 bits in 16, as X-rays come: linear levels, and a hint at the depth.
  @Test func samplesOfMoreThan8BitsAreReportedWithTheDepthThatFits() throws {
    let folder = try TemporaryFolder()
    for number in 0..<3 {
      let samples = (0..<16).map { 100 * number + 250 * $0 }
      try folder.write(
        "\(number).pgm", Data("P5 4 4 65535\n".utf8 + samples.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }))
    }
    let found = try report(folder)
    #expect(found.oneColor == 0)
    #expect(
      found.deep?.text == "3, samples 0 to 3,950 of 0 to 65,535; they come out dark: --depth 12 fits them")
    let fitting = try report(folder, ImageDecoder(depth: .bits(12)))
    #expect(fitting.deep?.text == "3, samples 0 to 3,950 of 0 to 4,095")
    let clipping = try report(folder, ImageDecoder(depth: .bits(8)))
    #expect(
      clipping.deep?.text
        == "3, samples 0 to 3,950 of 0 to 255; in 3 some are outside of it and become black or white")
  }
}
