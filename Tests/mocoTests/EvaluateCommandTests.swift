import Foundation
import TestSupport
import Testing

@Suite struct EvaluateCommand {
  private let truth = """
    {"images": [{"id": 3, "height": 20, "width": 20}, {"id": 4, "height": 20, "width": 20}],
     "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
     "annotations": [
       {"id": 0, "image_id": 3, "category_id": 7, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0},
       {"id": 1, "image_id": 4, "category_id": 7, "bbox": [2, 2, 9, 9], "area": 81, "iscrowd": 0}]}
    """
  private let found = """
    [{"image_id": 3, "category_id": 7, "bbox": [1, 1, 9, 9], "score": 0.9},
     {"image_id": 4, "category_id": 7, "bbox": [2, 2, 9, 9], "score": 0.8}]
    """

  private func run(_ more: [String], found: String? = nil, in folder: String) throws -> Program.Result {
    try put(Array(truth.utf8), at: "\(folder)/truth.json")
    try put(Array((found ?? self.found).utf8), at: "\(folder)/found.json")
    return try Program.run(["evaluate", "truth.json", "found.json"] + more, in: folder)
  }

  @Test func aPerfectDetectorHasAllOfItWhateverTheIDs() throws {
    try withFolder { folder in
      let result = try run(["--metric", "coco"], in: folder)
      #expect(result.code == 0, "\(result)")
      #expect(result.output.hasPrefix("AP          100.00\nAP50        100.00\n"))
      #expect(result.output.contains("\ncat         2         100.00  100.00  100.00  100.00  –       –"))
      #expect(result.output.contains("\ndog         0         –       –       –       –       –       –"))
      #expect(
        result.errors
          == "moco: warning: truth.json: 1 annotation has the id 0; they are told apart by their place here; "
          + "pycocotools gives other numbers (--as pycocotools)\n")
      // pycocotools never matches the annotation of id 0: the first detection is wrong, the second finds half.
      let theirs = try run(["--metric", "coco", "--as", "pycocotools", "--json"], in: folder)
      let json = try #require(
        try JSONSerialization.jsonObject(with: Data(theirs.output.utf8)) as? [String: Any])
      let numbers = try #require(json["numbers"] as? [[String: Any]])
      // Precision 1/2 at recalls 0 … 0.5, 51 of 101.
      let value = try #require(numbers[0]["value"] as? Double)
      #expect(abs(value - 0.5 * 51 / 101) < 1e-9)
    }
  }

  @Test func vocCountsTheSameFile() throws {
    try withFolder { folder in
      for metric in ["voc", "voc07"] {
        let result = try run(["--metric", metric, "--curves", "curves.svg"], in: folder)
        #expect(result.code == 0, "\(result)")
        #expect(result.output.contains("\ncat         2         100.00  100.00  100.00"), "\(result.output)")
        #expect(try bytes(at: "\(folder)/curves.svg").starts(with: Array("<svg".utf8)))
      }
    }
  }

  @Test func wrongUseIsOneLine() throws {
    try withFolder { (folder: String) throws in
      func text(_ more: [String], found: String? = nil, code: Int32 = 2) throws -> String {
        let result = try run(more, found: found, in: folder)
        #expect(result.code == code && result.output.isEmpty, "\(result)")
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        return result.errors
      }
      #expect(
        try text(["--metric", "voc", "--iou", "segm"]).contains("--iou segm does not belong to --metric voc"))
      #expect(
        try text(["--metric", "miou"])
          == "moco: --metric miou needs --classes, the number of classes: truth.json has no classes.txt, which names them\n"
      )
      #expect(try text(["--metric", "miou", "--classes", "0"]).contains("--classes 0: at least one class"))
      #expect(
        try text(["--metric", "voc", "--as", "pycocotools"]).contains(
          "--as pycocotools is for --metric coco and lvis"))
      #expect(
        try text(["--metric", "coco"], found: "{}", code: 1)
          == "moco: found.json, the file: an object instead of a list of results\n")
      #expect(
        try text(
          ["--metric", "coco"],
          found: "[{\"image_id\": 5, \"category_id\": 7, \"bbox\": [1, 1, 9, 9], \"score\": 1}]",
          code: 1)
          == "moco: 1 of the results is of images that truth.json does not list, such as image_id 5; give the file that "
          + "the detector was tested on\n")
    }
  }
}
