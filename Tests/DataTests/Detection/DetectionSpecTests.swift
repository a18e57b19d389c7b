import Data
import Foundation
import Testing

@Suite struct DetectionSpecTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for year in ["VOC2007", "VOC2012"] {
      _ = try makeVOC(
        [(year, vocXML([vocObject(year == "VOC2007" ? "dog" : "cat")]))], in: folder,
        under: "VOCdevkit/" + year)
    }
    try folder.text("VOCdevkit/VOC2007/ImageSets/Main/dog_train.txt", "VOC2007 1\n")
    try folder.text("VOCdevkit/VOC2007/ImageSets/Main/test.txt", "VOC2007\n")
  }

  private func failure(_ spec: String) -> String {
    do {
      _ = try DetectionDataset.open(spec)
      return ""
    } catch { return "\(error)" }
  }

  @Test func yearsAreJoined() throws {
    let kit = folder.path + "/VOCdevkit"
    let both = try DetectionDataset.open("\(kit)/VOC2007:train+\(kit)/VOC2012:train")
    #expect(both.classNames == ["cat", "dog"] && both.images.map(\.name) == ["VOC2007", "VOC2012"])
    #expect(both.images.map(\.id) == [1, 2])
    let all = try DetectionDataset.open(kit + ":train")
    #expect(all.images == both.images)
    #expect(try DetectionDataset.open(kit + "/:test").count == 1)
  }

  @Test func splitsThatAreNotThereAreListed() {
    let kit = folder.path + "/VOCdevkit"
    #expect(
      failure("\(kit)/VOC2007:trian")
        == "\(kit)/VOC2007 has no split `trian`; it has test, train. Did you mean `train`?")
    #expect(failure("\(kit):val") == "\(kit) has no split `val`; it has test, train.")
    #expect(
      failure("\(kit)/VOC2007")
        == "\(kit)/VOC2007 names no split; it has test, train. Write \(kit)/VOC2007:train")
  }

  @Test func pathsThatAreNoSetsAreErrors() throws {
    let forms = "write VOC2007:trainval, a COCO file as train.json@images/, or cityscapes/:train, joined by +"
    #expect(failure("") == "the name of the detection set is empty; \(forms)")
    #expect(failure("nowhere/x:train") == "nowhere/x and VOCdevkit/nowhere/x do not exist; \(forms)")
    #expect(failure("/nowhere.json") == "/nowhere.json does not exist; check the path")
    try folder.makeFolder("empty")
    #expect(
      failure("\(folder.path)/empty:train") == "\(folder.path)/empty is no detection set: it holds neither "
        + "ImageSets/Main (VOC) nor leftImg8bit (Cityscapes); \(forms)")
  }

  @Test func differentKindsAreNotJoined() throws {
    let coco = try makeCOCO(coco([goodAnnotation]), in: folder)
    let spec = "\(folder.path)/VOCdevkit/VOC2007:train+\(coco)"
    #expect(failure(spec) == "\(spec) joins sets of different kinds; + joins VOC with VOC, COCO with COCO")
  }

  @Test func aPathWithAPlusSignIsOnePath() throws {
    let root = try makeVOC([("a", vocXML([vocObject()]))], in: folder, under: "a-b")
    try folder.text("a+b.json", coco([goodAnnotation]))
    try folder.picture("images/a.png")
    #expect(try DetectionDataset.open(folder.path + "/a+b.json").count == 1)
    let plus = try makeVOC([("a", vocXML([vocObject()]))], in: folder, under: "c+d")
    #expect(try DetectionDataset.open(plus + ":train").count == 1)
    #expect(try DetectionDataset.open("\(root):train+\(folder.path)/VOCdevkit/VOC2007:test").count == 2)
  }

  @Test func detectionSetsAreRecognized() throws {
    let json = try makeCOCO(coco([goodAnnotation]), in: folder)
    try folder.text("shards.json", #"{"shardlist": []}"#)
    try folder.makeFolder("photos")
    #expect(AnnotatedPart.recognizes(json))
    #expect(AnnotatedPart.recognizes(folder.path + "/train.json"))
    #expect(AnnotatedPart.recognizes(folder.path + "/VOCdevkit/VOC2007:train+x"))
    #expect(AnnotatedPart.recognizes(folder.path + "/VOCdevkit"))
    #expect(!AnnotatedPart.recognizes(folder.path + "/shards.json"))
    // With a folder of images it can be nothing else: the error is that of its content.
    #expect(AnnotatedPart.recognizes(folder.path + "/shards.json@" + folder.path))
    #expect(!AnnotatedPart.recognizes(folder.path + "/photos"))
  }
}
