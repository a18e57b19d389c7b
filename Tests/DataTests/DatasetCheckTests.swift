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
    let dataset = try Dataset.open(folder.path, OpeningOptions())
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
}
