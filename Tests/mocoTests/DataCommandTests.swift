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

/// What `moco check` and training say of images of 16 bits, of one colour, and of other formats.
@Suite struct DepthCommandTests {
  private let data = temporaryFolder()

  /// Twelve 12-bit images in 16-bit files.
  init() throws {
    for number in 0..<12 {
      let samples = (0..<32 * 32).map { ($0 * (number + 3)) % 4096 }
      let file = Data("P5 32 32 65535\n".utf8 + samples.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] })
      try file.write(to: URL(fileURLWithPath: "\(data)/\(100 + number).pgm"))
    }
  }

  @Test func checkNamesTheDepthThatFitsAndItsTableShowsTheLevels() throws {
    func means(_ options: String...) throws -> (output: String, mean: Double) {
      let result = try Program.run(["check", data, "--tsv", data + "/table.tsv"] + options)
      #expect(result.code == 0, "\(result.errors)")
      let lines = try String(contentsOfFile: data + "/table.tsv", encoding: .utf8).split(separator: "\n")
      let values = lines.dropFirst().compactMap { $0.split(separator: "\t").last.flatMap { Double($0) } }
      return (result.output, values.reduce(0, +) / Double(values.count))
    }
    let usual = try means()
    #expect(
      usual.output.contains("over 8 bits   12, samples 0 to 4,09"), "\(usual.output)")
    #expect(
      usual.output.contains("of 0 to 65,535; they come out dark: --depth 12 fits them"), "\(usual.output)")
    let fitting = try means("--depth", "12")
    #expect(fitting.output.contains(" of 0 to 4,095\n"), "\(fitting.output)")
    // 12 bits of 16 give a sixteenth of the levels.
    #expect(abs(fitting.mean / usual.mean - 16) < 1)
    #expect((100...155).contains(fitting.mean))
    let clipped = try means("--depth", "8")
    #expect(
      clipped.output.contains("in 12 some are outside of it and become black or white"), "\(clipped.output)")
    #expect(clipped.mean > 200)
  }

  @Test func aDepthThatIsNoneIsRefused() throws {
    for command in [["check", data], ["pretrain", data, "--out", data + "/run"]] {
      let result = try Program.run(command + ["--depth", "window:9,1"])
      #expect(result.code != 0)
      #expect(result.errors.contains("'window:9,1' is invalid for '--depth <depth>'"), "\(result.errors)")
    }
  }

  private func pretrain(_ options: String..., out: String) throws -> Program.Result {
    try Program.run(
      [
        "pretrain", data, "--out", out, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
        "--batch-size", "4", "--bn-splits", "1", "--moco-k", "8", "--device", "cpu", "--workers", "1",
        "--steps", "1",
      ] + options)
  }

  @Test func trainingWarnsOfDarkImagesAndAnOlderRunKeepsPillowsDepth() throws {
    let out = temporaryFolder() + "/run"
    let dark = try pretrain(out: out + "-dark")
    #expect(dark.code == 0, "\(dark.errors)")
    #expect(
      dark.errors.contains("warning: images of more than 8 bits, among 12 looked at: 12, samples 0 to "),
      "\(dark.errors)")
    let fitting = try pretrain("--depth", "12", out: out + "-12")
    #expect(fitting.code == 0 && !fitting.errors.contains("more than 8 bits"), "\(fitting.errors)")

    // A run from before the option: its files lack the key.
    let older = try pretrain("--depth", "8", out: out)
    #expect(older.code == 0, "\(older.errors)")
    let config = URL(fileURLWithPath: out + "/config.yaml")
    let text = try String(contentsOf: config, encoding: .utf8)
    try text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("depth:") }
      .joined(separator: "\n").write(to: config, atomically: true, encoding: .utf8)
    let resumed = try pretrain("--steps", "2", out: out)
    #expect(resumed.code == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains(" of 0 to 255; in 12 some are outside of it"), "\(resumed.errors)")
  }

  @Test func imagesOfOneColourAreNamed() throws {
    let flat = RGBImage(width: 8, height: 8, pixels: Array(repeating: 255, count: 8 * 8 * 3))
    for number in 0..<5 { try flat.pngData().write(to: URL(fileURLWithPath: "\(data)/flat\(number).png")) }
    let result = try Program.run("check", data)
    #expect(result.code == 0)
    #expect(
      result.output.contains(
        "one colour    5, which teach nothing: flat0.png, flat1.png, flat2.png and 2 more\n"),
      "\(result.output)")
  }

  /// The reported fault: folders of .jfif, .jpe and .jpg_large were ok in `check`, and refused by `pretrain`.
  @Test(arguments: ["jfif", "jpe", "jpg_large", "JPG", "orig"])
  func checkAndTrainingSeeTheSameFiles(_ ending: String) throws {
    let image = RGBImage(
      width: 32, height: 32, pixels: (0..<32 * 32 * 3).map { UInt8(truncatingIfNeeded: $0 * 7) })
    for number in 0..<12 {
      try FileManager.default.removeItem(atPath: "\(data)/\(100 + number).pgm")
      try image.jpegData().write(to: URL(fileURLWithPath: "\(data)/\(number).\(ending)"))
    }
    let check = try Program.run("check", data)
    #expect(check.code == 0 && check.output.contains("12 images"), "\(check.output)\(check.errors)")
    let trained = try pretrain(out: temporaryFolder() + "/run")
    #expect(trained.code == 0, "\(trained.errors)")
  }

  /// Objects by class, what is left out, and exit code 1 for trouble.
  @Test func aDetectionSetIsChecked() throws {
    let box = "<bndbox><xmin>3</xmin><ymin>3</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>"
    let empty = box.replacing("20", with: "3")
    for (name, boxes) in [("100", [box, box]), ("101", [box, empty])] {
      let objects = boxes.map { "<object><name>cell</name>\($0)</object>" }.joined()
      try FileManager.default.createDirectory(
        atPath: data + "/Annotations", withIntermediateDirectories: true)
      try Data("<annotation>\(objects)</annotation>".utf8)
        .write(to: URL(fileURLWithPath: "\(data)/Annotations/\(name).xml"))
    }
    try FileManager.default.createDirectory(
      atPath: data + "/ImageSets/Main", withIntermediateDirectories: true)
    try Data("100\n".utf8).write(to: URL(fileURLWithPath: data + "/ImageSets/Main/good.txt"))
    try Data("100\n101\n".utf8).write(to: URL(fileURLWithPath: data + "/ImageSets/Main/all.txt"))
    try FileManager.default.createSymbolicLink(atPath: data + "/JPEGImages", withDestinationPath: data)

    let good = try Program.run("check", data + ":good")
    #expect(good.code == 0, "\(good.errors)")
    #expect(
      good.output == """
        1 image, 1 class, 2 objects, VOC
        decoded       1 of 1
        class  objects   images
        cell   2         1

        """)
    let all = try Program.run("check", data + ":all")
    #expect(all.code == 1)
    #expect(all.output.contains("left out\n  1 box without area: 101, object 2\n"), "\(all.output)")
    let none = try Program.run("check", data + ":none")
    #expect(none.code == 1)
    #expect(none.errors.contains("\(data) has no split `none`; it has all, good."), "\(none.errors)")
  }
}
