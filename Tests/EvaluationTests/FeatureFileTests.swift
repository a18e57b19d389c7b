import Files
import Foundation
import TestSupport
import Testing
import Weights
@testable import Evaluation

@Suite(.serialized) struct FeatureFileTests {
  private let encoder: TrainedEncoder
  private let set: EvaluationData
  private let folder = temporaryFolder()

  init() throws {
    encoder = try makeTrainedEncoder()
    set = try EvaluationData(makeColourFolder(imagesPerClass: 3), split: .train, input: .small)
  }

  private let names = [
    "blue/000.png", "blue/001.png", "blue/002.png", "green/000.png", "green/001.png", "green/002.png",
    "red/000.png", "red/001.png", "red/002.png",
  ]

  private func write(_ name: String) throws -> (path: String, expected: [Float]) {
    let path = "\(folder)/\(name)"
    let encoded = try set.features(of: encoder.network, on: .cpu)
    try FeatureFile(path).write(encoded, of: set, metadata: ["layer": "pooled"])
    #expect(encoded.features.shape == [9, 64])
    #expect(
      try String(contentsOfFile: path + ".paths.txt", encoding: .utf8) == names.map { $0 + "\n" }.joined())
    return (path, encoded.features.array())
  }

  /// By hand, as the format's description has it.
  @Test func anNPYFileIsWhatItsFormatSays() throws {
    let (path, expected) = try write("features.npy")
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(Array(bytes[0..<8]) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0])
    let length = Int(bytes[8]) + Int(bytes[9]) << 8
    #expect((10 + length) % 64 == 0)
    let header = String(decoding: bytes[10..<10 + length], as: UTF8.self)
    #expect(header.hasSuffix("\n"))
    #expect(
      header.trimmingCharacters(in: .whitespacesAndNewlines)
        == "{'descr': '<f4', 'fortran_order': False, 'shape': (9, 64), }")
    #expect(bytes.count == 10 + length + 9 * 64 * 4)
    let values = stride(from: 10 + length, to: bytes.count, by: 4).map { at in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) })
    }
    #expect(values == expected)
  }

  @Test func numpyReadsIt() throws {
    let python = ProcessInfo.processInfo.environment["PYTHON"] ?? "python3"
    let (path, expected) = try write("features.npy")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      python, "-c",
      "import numpy, sys; a = numpy.load(sys.argv[1]); print(a.dtype, *a.shape, *a.ravel().tolist())", path,
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      print("skipped: \(python) has no numpy; PYTHON names one that has")
      return
    }
    let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
    #expect(Array(words.prefix(3)) == ["float32", "9", "64"])
    #expect(words.dropFirst(3).compactMap(Double.init).map(Float.init) == expected)
  }

  @Test func aCSVFileReadsBackAsTheSameNumbers() throws {
    let (path, expected) = try write("features.csv")
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 10)
    let fields = lines.map { $0.split(separator: ",").map(String.init) }
    #expect(fields[0] == ["path", "label", "class"] + (0..<64).map { "feature\($0)" })
    #expect(fields.dropFirst().map { $0[0] } == names)
    #expect(fields.dropFirst().map { $0[1] } == ["0", "0", "0", "1", "1", "1", "2", "2", "2"])
    #expect(fields.dropFirst().map { $0[2] } == names.map { String($0.prefix { $0 != "/" }) })
    let rows = fields.dropFirst().map { $0.dropFirst(3).compactMap { Float($0) } }
    #expect(rows.allSatisfy { $0.count == 64 })
    #expect(rows.flatMap { $0 } == expected)
  }

  @Test func imagesWithoutClassesHaveNoColumnForThem() throws {
    let flat = try EvaluationData(
      makeColourFolder(imagesPerClass: 2) + "/red", split: .train, input: .small)
    let path = "\(folder)/flat.csv"
    try FeatureFile(path).write(flat.features(of: encoder.network, on: .cpu), of: flat)
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(
      lines.count == 3 && lines[0].hasPrefix("path,feature0,feature1,") && lines[1].hasPrefix("000.png,"))
  }

  /// Python's reader of CSV as the oracle; with commas, quotes and other scripts in names.
  @Test func pythonReadsPathsLabelsAndNumbers() throws {
    let folder = try makeColourFolder(imagesPerClass: 1)
    for (old, new) in [("blue", "a, b"), ("green", "c \"d\""), ("red", "é")] {
      try FileManager.default.moveItem(atPath: "\(folder)/\(old)", toPath: "\(folder)/\(new)")
    }
    let set = try EvaluationData(folder, split: .train, input: .small)
    let encoded = try set.features(of: encoder.network, on: .cpu)
    let path = "\(self.folder)/names.csv"
    try FeatureFile(path).write(encoded, of: set)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", "-c",
      "import csv, json, sys; print(json.dumps(list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf8')))))",
      path,
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      print("skipped: there is no python3")
      return
    }
    let rows = try JSONDecoder().decode([[String: String]].self, from: text)
    #expect(rows.map { $0["path"] } == ["a, b/000.png", "c \"d\"/000.png", "é/000.png"])
    #expect(
      rows.map { $0["class"] } == ["a, b", "c \"d\"", "é"] && rows.map { $0["label"] } == ["0", "1", "2"])
    let numbers = rows.flatMap { row in (0..<64).map { row["feature\($0)"].flatMap { Float($0) } } }
    #expect(numbers == encoded.features.array(of: Float.self).map { Float?.some($0) })
  }

  @Test func normalisedRowsHaveLength1() throws {
    let encoded = try set.features(of: encoder.network, on: .cpu)
    let rows = try encoded.normalised().features
    let (old, new) = (encoded.features.array(of: Float.self), rows.array(of: Float.self))
    for row in 0..<9 {
      let own = old[row * 64..<(row + 1) * 64]
      let length = own.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      for column in 0..<64 {
        // A rounding of the length and one of the quotient.
        #expect(abs(Double(new[row * 64 + column]) - Double(own[row * 64 + column]) / length) < 1e-6)
      }
    }
  }

  /// Before any feature is computed.
  @Test func aLineBreakInANameIsSaidAtOnce() throws {
    let folder = try makeColourFolder(imagesPerClass: 1)
    try FileManager.default.moveItem(atPath: "\(folder)/red/000.png", toPath: "\(folder)/red/a\nb.png")
    let set = try EvaluationData(folder, split: .train, input: .small)
    let error = #expect(throws: RunError.self) { try FeatureFile("x.npy").check(namesOf: set) }
    #expect(
      error?.description
        == "x.npy.paths.txt: the path \"red/a\\nb.png\" holds a line break, so that lines would not be rows. Rename the "
        + "file.")
  }

  @Test func aSafetensorsFileHoldsFeaturesAndLabels() throws {
    let (path, expected) = try write("features.safetensors")
    let file = try SafetensorsFile(path)
    #expect(Set(file.entries.map(\.name)) == ["features", "labels"])
    #expect(try file.tensor("features").array(of: Float.self) == expected)
    #expect(try file.tensor("labels").array(of: Int.self) == [0, 0, 0, 1, 1, 1, 2, 2, 2])
    #expect(file.metadata == ["layer": "pooled"])
  }

  @Test func anUnknownExtensionIsSaid() {
    for (path, expected) in [
      ("a.txt", "--out a.txt: the extension .txt is unknown. Name the file .safetensors, .npy or .csv."),
      ("a", "--out a: there is no extension. Name the file .safetensors, .npy or .csv."),
    ] {
      let error = #expect(throws: UsageError.self) { try FeatureFile(path) }
      #expect(error?.description == expected)
    }
  }

  @Test func headersOfAllLengthsEndAtAMultipleOf64() {
    for shape in [[1, 1], [10, 128], [1_281_167, 2048], [7]]
      + (0..<70).map({ [Int(repeating: 9, $0 % 18), 3] })
    {
      let header = FeatureFile.npyHeader(shape: shape)
      #expect(header.count % 64 == 0 && header.last == 10, "\(shape)")
      #expect(Int(header[8]) + Int(header[9]) << 8 == header.count - 10, "\(shape)")
    }
  }

  // MARK: - Layers

  @Test func everyLayerHasItsWidth() throws {
    let widths: [FeatureLayer: Int] = [.layer1: 16, .layer2: 32, .layer3: 64, .pooled: 64, .head: 128]
    var rows: [FeatureLayer: [Float]] = [:]
    for (layer, width) in widths {
      let encoded = try set.features(of: encoder.network, layer: layer, on: .cpu)
      #expect(encoded.features.shape == [9, width], "\(layer)")
      rows[layer] = encoded.features.array()
    }
    #expect(rows[.layer3] == rows[.pooled])
    #expect(rows[.layer2] != nil && rows[.head] != nil)
  }

  @Test func aStageThatIsNotThereIsSaid() {
    let error = #expect(throws: UsageError.self) {
      try set.features(of: encoder.network, layer: .layer4, on: .cpu)
    }
    #expect(error?.description == "--layer layer4: resnet8 has layer1 to layer3, pooled and head.")
  }
}

extension Int {
  /// A number of so many equal digits, at least one.
  fileprivate init(repeating digit: Int, _ count: Int) {
    self = (0..<Swift.max(1, count)).reduce(0) { sum, _ in sum * 10 + digit }
  }
}
