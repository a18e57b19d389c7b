import Files
import Foundation
import Images
import Testing
@testable import Data

@Suite struct LabelledLists {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for (seed, name) in ["deer/3.png", "my dog.png", "cat/1.png"].enumerated() {
      try folder.image(name, seed: seed)
    }
  }

  private func open(_ text: String, as name: String = "l.txt") throws -> Dataset {
    try Dataset.open(try folder.write(name, Data(text.utf8)))
  }

  @Test(arguments: [" ", "\t", ",", ", ", "  "]) func labelsMayBeWords(_ gap: String) throws {
    let dataset = try open("deer/3.png\(gap)deer\nmy dog.png\(gap)golden retriever\ncat/1.png\(gap)cat\r\n")
    #expect(dataset.summary == "3 images, 3 classes, list")
    #expect(dataset.names == ["cat/1.png", "deer/3.png", "my dog.png"])
    #expect(dataset.classNames == ["cat", "deer", "golden retriever"])
    #expect(dataset.labels == [0, 1, 2])
    #expect(try dataset.image(1) == noise(side: 8, seed: 0))
  }

  @Test(arguments: [" ", "\t", ",", ", "]) func labelsMayBeNumbers(_ gap: String) throws {
    let dataset = try open("deer/3.png\(gap)4\nmy dog.png\(gap)0\n")
    #expect(dataset.labels == [4, 0])
    #expect(dataset.classNames == ["0", "1", "2", "3", "4"])
  }

  @Test func aTableWhoseLabelsHaveAnotherNameSaysSo() throws {
    let dataset = try open("image,breed\ndeer/3.png,deer\ncat/1.png,cat\n", as: "l.csv")
    #expect(dataset.summary == "2 images, no labels, list")
    let problem = "its columns are image, breed; call that of the labels label or class"
    #expect(dataset.labelProblem == problem)
    #expect(dataset.subset(to: 1).labelProblem == problem)
    #expect(dataset.cached(limit: 1 << 20).labelProblem == problem)
    for text in ["image\ndeer/3.png\ncat/1.png\n", "image,label\ndeer/3.png,0\ncat/1.png,1\n"] {
      #expect(try open(text, as: "l.csv").labelProblem == nil)
    }
  }

  @Test func marksAndCommentsAreNoPaths() throws {
    try folder.image("#1.png")
    let dataset = try open("\u{FEFF}deer/3.png\n# a comment, 5\n#1.png\n\ncat/1.png\n#\n")
    #expect(dataset.names == ["#1.png", "cat/1.png", "deer/3.png"])
    #expect(dataset.labels == [nil, nil, nil])
  }

  /// Runs that began with earlier versions go on only with the same fingerprint.
  @Test func aListOfNumbersHasTheFingerprintThatItHad() throws {
    let dataset = try open("my dog.png 2\r\n\ndeer/3.png\t0\n")
    var bytes = Array("list 2\ndeer/3.png 0\nmy dog.png 2\n".utf8)
    for index in 0..<2 { bytes += try dataset.image(index).pixels }
    #expect(dataset.fingerprint == bytes.withUnsafeBytes { crc32($0) })
  }

  /// What is a path where the words could be read in two ways.
  @Test(
    arguments: [
      ("a b.jpg", "a b.jpg", nil), ("a.jpg copy.jpg", "a.jpg copy.jpg", nil),
      ("a.jpg copy/b", "a.jpg copy/b", nil),
      ("a.jpg copy/b 5", "a.jpg copy/b", "5"), ("a 7", "a", "7"), ("a b", "a b", nil), ("a\tb c", "a", "b c"),
      ("a,b.jpg,c", "a,b.jpg", "c"), ("a.jpg,", "a.jpg", nil),
      ("/x/a.JPEG n01440764", "/x/a.JPEG", "n01440764"),
      ("a.jpg x.y", "a.jpg", "x.y"),
    ] as [(String, String, String?)])
  func aLineIsReadAsAPathAndALabel(_ line: String, _ path: String, _ label: String?) throws {
    let list = try PathList(Array(line.utf8)) {
      hasImageExtension($0)
    } isThere: { _ in
      false
    }
    #expect(list.entries == [.init(path: path, label: label, line: 1)])
  }

  @Test func mixedListsAreNamed() throws {
    try folder.write("a.txt", Data("a.png cat\nb.png 3\n".utf8))
    #expect(
      folder.message("/a.txt")
        == "F/a.txt, line 2: has the label 3, and the ones before it have names; give all lines numbers or names"
    )
    try folder.write("b.txt", Data("# x\na.png 3\nb.png cat\n".utf8))
    #expect(
      folder.message("/b.txt")
        == "F/b.txt, line 3: has the label cat, and the ones before it have numbers; give all lines numbers or names"
    )
    try folder.write("c.txt", Data("a.png 1 0 1\n".utf8))
    #expect(
      folder.message("/c.txt") == "F/c.txt, line 1: has several labels, 1 0 1; give each image one class")
    try folder.write("d.txt", Data("a.png\nb.png cat\n".utf8))
    #expect(
      folder.message("/d.txt")
        == "F/d.txt, line 2: has a label, the ones before it have none; give all lines one or none")
    try folder.write("e.txt", Data([0xFF, 0xFE, 0x61, 0]))
    #expect(folder.message("/e.txt") == "F/e.txt, line 1: this is UTF-16; save it as UTF-8")
    try folder.write("f.txt", Data("a.png\nb\0.png\n".utf8))
    #expect(
      folder.message("/f.txt")
        == "F/f.txt, line 2: holds a zero byte, so this is no text; save it as UTF-8")
  }
}

@Suite struct TableLists {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for (seed, name) in ["a.png", "b, c.png"].enumerated() { try folder.image(name, seed: seed) }
  }

  @Test(arguments: ["path,label", "image,class", "id,filename,x,label", "File,Target"])
  func columnsAreFoundByTheirNames(_ header: String) throws {
    func row(_ path: String, _ label: String) -> String {
      header.hasPrefix("id") ? "7,\(path),,\(label)" : "\(path),\(label)"
    }
    let text =
      "\u{FEFF}\(header)\r\n" + row("\"b, c.png\"", "dog") + "\r\n" + row("a.png", "\"a \"\"cat\"\"\"")
      + "\r\n"
    let dataset = try Dataset.open(try folder.write("l.csv", Data(text.utf8)))
    #expect(dataset.names == ["a.png", "b, c.png"])
    #expect(dataset.classNames == ["a \"cat\"", "dog"])
    #expect(dataset.labels == [0, 1])
    #expect(try dataset.image(1) == noise(side: 8, seed: 1))
  }

  @Test func aTableMayLackAHeaderOrLabels() throws {
    let bare = try Dataset.open(try folder.write("a.csv", Data("a.png,3\n\"b, c.png\",0\n".utf8)))
    #expect(bare.labels == [3, 0])
    let paths = try Dataset.open(try folder.write("b.csv", Data("image\na.png\n\"b, c.png\"\n".utf8)))
    #expect(paths.labels == [nil, nil])
    let tabs = try Dataset.open(try folder.write("c.tsv", Data("path\tlabel\na.png\tx\nb, c.png\ty\n".utf8)))
    #expect(tabs.labels == [0, 1])
  }

  @Test func otherTablesAreNamed() throws {
    try folder.write("a.csv", Data("id,breed\n1,cat\n".utf8))
    #expect(
      folder.message("/a.csv")
        == "F/a.csv, line 1: the columns are id, breed; call the one with the images' paths path, image, filename or file, "
        + "and one with their classes label or class")
    try folder.write("b.csv", Data("path,label\na.png\n".utf8))
    #expect(folder.message("/b.csv") == "F/b.csv, line 2: has 1 fields, and the first row has 2")
    try folder.write("c.csv", Data("path,label\n\"a.png,1\n".utf8))
    #expect(folder.message("/c.csv") == "F/c.csv, line 2: a quote is opened and not closed")
    try folder.write("d.csv")
    #expect(folder.message("/d.csv") == "F/d.csv names no image; write one path a line")
    try folder.write("e.csv", Data("path,label\n,1\n".utf8))
    #expect(folder.message("/e.csv") == "F/e.csv, line 2: has no path")
  }
}

/// Lists whose images lie elsewhere, as those of ImageNet's validation part.
@Suite struct ListsWithARoot {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for number in 1...3 { try folder.image("val/ILSVRC2012_val_0000000\(number).JPEG", seed: number) }
  }

  private func open(_ path: String) throws -> Dataset { try Dataset.open(folder.path + "/" + path) }

  @Test func pathsStartFromTheRoot() throws {
    try folder.write(
      "lists/val.txt", Data("ILSVRC2012_val_00000002.JPEG 1\nILSVRC2012_val_00000001.JPEG 0\n".utf8))
    let dataset = try open("lists/val.txt@\(folder.path)/val/")
    #expect(dataset.labels == [0, 1])
    #expect(dataset.classNames == ["0", "1"])
    #expect(try dataset.image(1) == noise(side: 8, seed: 2))
    // Caffe's synsets.txt, which comes with val.txt, names the numbers.
    try folder.write("lists/synsets.txt", Data("n01440764\nn01443537\nn01484850\n".utf8))
    #expect(
      try open("lists/val.txt@\(folder.path)/val").classNames == ["n01440764", "n01443537", "n01484850"])
    #expect(
      folder.message("/lists/val.txt@\(folder.path)/none") == "F/none does not exist; check the path")
    try folder.write("x.bin")
    #expect(
      folder.message("/lists/val.txt@\(folder.path)/x.bin")
        == "F/x.bin, the root of the list F/lists/val.txt, is neither a folder nor a .tar or .zip file")
  }

  @Test func theSolutionOfImageNetsValidationIsRead() throws {
    try folder.write(
      "LOC_val_solution.csv",
      Data(
        """
        ImageId,PredictionString
        ILSVRC2012_val_00000003,n03995372 85 1 499 272 n03995372 1 2 3 4
        ILSVRC2012_val_00000001,n02013706 36 94 411 374
        """.utf8))
    let dataset = try open("LOC_val_solution.csv@\(folder.path)/val")
    #expect(dataset.names == ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000003.JPEG"])
    #expect(dataset.classNames == ["n02013706", "n03995372"])
    #expect(dataset.labels == [0, 1])
  }

  @Test func labelsWithoutNamesFollowTheOrderOfTheNames() throws {
    try folder.write("labels.txt", Data("2\n0\n1\n".utf8))
    #expect(try open("labels.txt@\(folder.path)/val").labels == [2, 0, 1])
    #expect(
      folder.message("/labels.txt")
        == "F/labels.txt holds labels without the names of their images; give the folder or archive of the images too, as "
        + "F/labels.txt@FOLDER")
    try folder.write("two.txt", Data("2\n0\n".utf8))
    #expect(
      folder.message("/two.txt@\(folder.path)/val")
        == "F/two.txt has 2 labels for 3 images; fetch or copy both files again")
  }

  /// The devkit's numbers are in an order of its own, which its meta.mat explains: 1 is n03, 2 n01, 3 n02.
  @Test func theDevkitsNumbersBecomeItsNames() throws {
    try folder.write("data/ILSVRC2012_validation_ground_truth.txt", Data("1\n3\n2\n".utf8))
    let path = "data/ILSVRC2012_validation_ground_truth.txt@\(folder.path)/val"
    let numbered = try open(path)
    #expect(numbered.labels == [1, 3, 2])
    #expect(numbered.classNames[3] == "ILSVRC2012 ID 3")
    try folder.write("data/meta.mat", fixture: "meta mat")
    let named = try open(path)
    #expect(named.classNames == ["n01", "n02", "n03"])
    #expect(named.labels == [2, 1, 0])
    try folder.write("data/ILSVRC2012_validation_ground_truth.txt", Data("1\n4\n2\n".utf8))
    #expect(
      folder.message("/" + path)
        == "F/data/meta.mat has no class of the number 4, which F/data/ILSVRC2012_validation_ground_truth.txt names"
    )
  }

  @Test func theRootMayBeATarOrAZipFile() throws {
    try folder.write("ILSVRC2012_img_val.tar", fixture: "val tar")
    try folder.write("labels.txt", Data("2\n0\n1\n".utf8))
    let tar = try open("labels.txt@\(folder.path)/ILSVRC2012_img_val.tar")
    #expect(tar.names.first == "ILSVRC2012_val_00000001.JPEG")
    #expect(tar.labels == [2, 0, 1])
    #expect(try tar.firstBytes() == [1, 2, 3])
    try folder.write("photos.zip", fixture: "classes zip")
    try folder.write("l.txt", Data("photos/dog/2.png b\nphotos/cat/1.png a\n".utf8))
    let zip = try open("l.txt@\(folder.path)/photos.zip")
    #expect(try zip.firstBytes() == [10, 20])
    #expect(zip.classNames == ["a", "b"])
    try folder.write("m.txt", Data("photos/none.png b\n".utf8))
    #expect(
      folder.message("/m.txt@\(folder.path)/photos.zip")
        == "F/m.txt names photos/none.png, which is not in F/photos.zip; names there are like photos/dog/2.png"
    )
  }

  @Test func aFileThatIsCalledSoIsMeant() throws {
    try folder.image("a.png")
    try folder.image("b.png")
    try folder.write("odd@name.txt", Data("a.png\nb.png\n".utf8))
    #expect(try open("odd@name.txt").count == 2)
  }
}
