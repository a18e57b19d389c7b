import Files
import Foundation
import Images
import Testing
@testable import Data

/// Gray pictures of a table "name width height level x0 y0 x1 y1", each with one object.
private struct BoxTable: DatasetFormat {
  let name = "box table"
  let evidence = "a box table (boxes.csv)"
  let claimed: Set = ["boxes.csv", "Pictures"]

  init?(_ location: DatasetLocation) {
    guard location.files.contains("boxes.csv") else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    guard let text = FileManager.default.contents(atPath: location.path + "/boxes.csv") else {
      throw .badFile(reason: "no table")
    }
    let rows = String(decoding: text, as: UTF8.self).split(separator: "\n").map { line in
      line.split(separator: " ").map(String.init)
    }
    return Dataset(Samples(rows: rows), format: name, classNames: ["thing"], decoder: options.decoder)
  }

  private struct Samples: PixelSource {
    var rows: [[String]]
    var count: Int { rows.count }
    func name(_ index: Int) -> String { rows[index][0] }
    func annotation(_ index: Int) -> Annotation {
      let box = rows[index][4...].compactMap(Double.init)
      return .objects([
        AnnotatedObject(
          box: BoundingBox(x0: box[0], y0: box[1], x1: box[2], y1: box[3]), classIndex: 0, isCrowd: true)
      ])
    }
    func image(_ index: Int) throws -> RGBImage {
      let (width, height) = (Int(rows[index][1]) ?? 0, Int(rows[index][2]) ?? 0)
      let level = UInt8(rows[index][3]) ?? 0
      return RGBImage(
        width: width, height: height, pixels: Array(repeating: level, count: width * height * 3))
    }
  }
}

@Suite struct DatasetFormats {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func writeTable() throws {
    try folder.write("boxes.csv", Data("a 30 20 7 1 2 3.5 4\nb 5 40 9 0 0 5 40\n".utf8))
    try folder.image("Pictures/a.png")
  }

  private func open(_ formats: [any DatasetFormat.Type]) throws -> Dataset {
    try Dataset.open(folder.path, OpeningOptions(), formats: formats)
  }

  @Test func aFormatIsRecognizedThroughTheList() throws {
    try writeTable()
    let dataset = try open([BoxTable.self] + .all)
    #expect(dataset.format == "box table")
    #expect(dataset.summary == "2 images, 1 class, box table")
    // Without its row in the list the folder beside the table is a class.
    #expect(try Dataset.open(folder.path, allowsOneImage: true).format == "class folders")
  }

  @Test func foldersThatAFormatClaimsAreNoClasses() throws {
    try writeTable()
    try folder.image("cats/b.png")
    let error = #expect(throws: DatasetError.self) { try open([BoxTable.self] + .all) }
    #expect(
      error
        == .mixed(path: folder.path, kinds: ["class folders (cats/)", "a box table (boxes.csv)"]))
  }

  @Test func imagesOfAnyAspectRatioAreRead() throws {
    try writeTable()
    let dataset = try open([BoxTable.self])
    #expect(try (0..<2).map { try dataset.image($0).width } == [30, 5])
    #expect(try (0..<2).map { try dataset.image($0).height } == [20, 40])
  }

  @Test func annotationsPassThroughSubsetsAndCaches() throws {
    try writeTable()
    let dataset = try open([BoxTable.self])
    let second = Annotation.objects([
      AnnotatedObject(box: BoundingBox(x: 0, y: 0, width: 5, height: 40), classIndex: 0, isCrowd: true)
    ])
    #expect(dataset.annotation(1) == second)
    #expect(dataset.subset([1]).annotation(0) == second)
    #expect(dataset.cached(limit: 1 << 20).annotation(1) == second)
    // An image with objects has no class of its own.
    #expect(!dataset.isLabeled)
    #expect(dataset.label(1) == nil && dataset.annotation(1).classIndex == nil)
  }

  @Test func aLabelIsAnAnnotation() throws {
    for name in ["cat/a.png", "dog/b.png"] { try folder.image(name) }
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.isLabeled)
    #expect((0..<2).map { dataset.annotation($0) } == [.class(0), .class(1)])
    #expect(dataset.subset([1]).annotation(0) == .class(1))
    #expect(dataset.cached(limit: 1000).annotation(1) == .class(1))
    #expect(try Dataset.open(folder.path + "/cat", allowsOneImage: true).annotation(0) == .none)
  }

  @Test func boxesHaveAnArea() {
    #expect(BoundingBox(x: 3, y: 4, width: 5, height: 6) == BoundingBox(x0: 3, y0: 4, x1: 8, y1: 10))
    #expect(BoundingBox(x: 3, y: 4, width: 5, height: 6).area == 30)
    #expect(BoundingBox(x0: 8, y0: 0, x1: 3, y1: 4).area == 0)
  }
}
