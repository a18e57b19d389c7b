import Data
import Foundation
import Images

/// See make_segmentation.py.
struct SegmentationFixtures: Decodable {
  struct Mask: Decodable {
    let name: String
    let png: Data
    let height, width: Int
    let labels: Data
  }
  struct Picture: Decodable {
    let height, width: Int
    let image, labels: Data
  }
  struct Crop: Decodable {
    let height, width, top, left, size: Int
    let flip: Bool
    let image, labels: Data
  }
  let masks: [Mask]
  let picture: Picture
  let crops: [Crop]

  static func read() throws -> SegmentationFixtures {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/segmentation.json")
    return try JSONDecoder().decode(Self.self, from: Data(contentsOf: path))
  }
}

/// A mask of `numbers` in turns.
func mask(_ numbers: [UInt8] = [0, 1], width: Int = 8, height: Int = 6) -> LabelMap {
  LabelMap(
    height: height, width: width, labels: (0..<height * width).map { numbers[$0 % numbers.count] })
}

let twoColors: [SIMD3<UInt8>] = [SIMD3(0, 0, 0), SIMD3(128, 0, 0)]

extension TemporaryFolder {
  /// A gray mask, or one with a palette.
  @discardableResult
  func mask(_ name: String, _ map: LabelMap = DataTests.mask(), colors: [SIMD3<UInt8>] = []) throws -> String
  {
    try write(name, map.pngData(colors: colors))
  }

  /// Images a, b, … of 8 × 6 pixels and their masks of the classes `ground` and `tree`. Returns the set's name.
  func makePairs(_ count: Int = 3, classes: String? = "ground\ntree\n") throws -> String {
    for place in 0..<count {
      try picture("images/\(letter(place)).png", width: 8, height: 6, seed: place)
      try mask("masks/\(letter(place)).png")
    }
    if let classes { try text("masks/classes.txt", classes) }
    return "\(path)/images/@\(path)/masks/"
  }
}

/// The error's text, with the folder called FOLDER.
func segmentationFailure(
  _ spec: String, in folder: TemporaryFolder, _ options: SegmentationOptions = SegmentationOptions()
) -> String {
  do {
    _ = try SegmentationDataset.open(spec, options)
    return "none"
  } catch { return "\(error)".replacing(folder.path, with: "FOLDER") }
}

/// All of a set's faults, as a check lists them.
func faults(_ spec: String, in folder: TemporaryFolder) throws -> [String] {
  let set = try SegmentationCheck.open(spec, decoder: ImageDecoder(), workers: 2)
  var texts: [String] = []
  try SegmentationCheck(set, workers: 2).run { entry in
    if let fault = entry.fault { texts.append("\(fault)".replacing(folder.path, with: "FOLDER")) }
  }
  return texts
}
