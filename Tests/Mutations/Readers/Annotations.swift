import Data
import Files
import Foundation
import Torch

// Readers of detection annotations: COCO's JSON, VOC's XML.

extension Reader {
  static func isOfAnnotations(_ error: any Error) -> Bool {
    error is DatasetError || error is COCOFileError || error is XMLError || error is RunLengthError
  }

  static var annotations: [Reader] {
    [
      Reader(name: "COCO set", texts: [coco, keypoints]) { path, _ in
        for masks in [false, true] {
          try touch(
            DetectionDataset.open(
              "\(path)@\(place.images)", DetectionOptions(masks: masks, maxLeftOut: anyShare)))
        }
      },
      Reader(name: "COCO keypoints", texts: [keypoints]) { path, _ in
        try touch(
          DetectionDataset.open(
            "\(path)@\(place.images)", DetectionOptions(keypoints: true, maxLeftOut: anyShare)))
      },
      Reader(name: "COCO results", texts: [results]) { path, _ in
        let rows = try COCOResults(path).rows
        for row in 0..<rows.count {
          _ = (rows.box(row), rows.score(row), rows.keypoints(row))
          if case .runLengths(let text, let height, let width) = rows.segmentation(row) {
            _ = try RunLengthMask(compressed: text, height: height, width: width).area
          }
        }
      },
      Reader(name: "VOC", texts: [voc]) { _, bytes in
        try Data(bytes).write(to: URL(filePath: place.devkit + "/Annotations/a.xml"))
        try touch(DetectionDataset.open("\(place.devkit):train", DetectionOptions(maxLeftOut: anyShare)))
      },
    ]
  }

  /// No fault is too many.
  private static let anyShare = Fraction(value: 1)

  /// The images that the annotations are of. Their files are there, and empty.
  private static let place: (images: String, devkit: String) = {
    let root = FileManager.default.temporaryDirectory.appending(path: "mutations-\(getpid())-images").path
    let devkit = root + "/VOC2007"
    for folder in [devkit + "/JPEGImages", devkit + "/Annotations", devkit + "/ImageSets/Main"] {
      try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    let files = [
      "\(root)/a.png": "", "\(root)/b.png": "", "\(devkit)/JPEGImages/a.png": "",
      "\(devkit)/ImageSets/Main/train.txt": "a\n",
    ]
    for (path, text) in files { try? Data(text.utf8).write(to: URL(filePath: path)) }
    return (root, devkit)
  }()

  /// Removes the images.
  static func end() { try? FileManager.default.removeItem(atPath: place.images) }

  /// Reads every object, and draws its mask.
  private static func touch(_ set: DetectionDataset) throws {
    for (index, image) in set.images.enumerated() {
      let (pixels, isOver) = image.height.multipliedReportingOverflow(by: image.width)
      for object in set.objects(index) {
        guard case .polygons(let polygons)? = object.mask, !isOver, pixels > 0, pixels < 1 << 22 else {
          continue
        }
        _ = RunLengthMask(polygons: polygons, height: image.height, width: image.width).area
      }
    }
  }

  // MARK: - Good files

  private static let coco = """
    {"info": {"year": 2017, "a": [1, {"b": null}]},
     "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48},
       {"id": 2, "file_name": "b.png", "width": 32, "height": 20, "neg_category_ids": [7],
        "not_exhaustive_category_ids": []}],
     "categories": [{"id": 3, "name": "cat", "frequency": "r"}, {"id": 7, "name": "dog"}],
     "annotations": [
       {"id": 1, "image_id": 1, "category_id": 3, "bbox": [2, 3, 20, 30], "area": 600, "iscrowd": 0,
        "segmentation": [[2, 3, 22, 3, 22.5, 33, 2, 33.25], [5, 5, 9, 5, 9, 9]]},
       {"id": 2, "image_id": 2, "category_id": 7, "bbox": [1.5, 2e0, 8, 7.25], "area": 50.5, "iscrowd": 1,
        "segmentation": {"size": [20, 32], "counts": [50, 5, 585]}},
       {"id": 3, "image_id": 2, "category_id": 7, "bbox": [1, 2, 8, 7], "area": 50, "iscrowd": 0, "ignore": 1,
        "segmentation": {"size": [20, 32], "counts": "b15Yb0"}}]}
    """
  private static let keypoints = """
    {"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
     "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"]}],
     "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 20, 30], "area": 600,
       "iscrowd": 0, "num_keypoints": 2, "keypoints": [4, 5, 2, 9, 9, 1, 0, 0, 0],
       "segmentation": [[2, 3, 22, 3, 22, 33]]}]}
    """
  private static let results = """
    [{"image_id": 1, "category_id": 3, "bbox": [2.25, 3, 20, 30], "score": 0.9,
      "segmentation": {"size": [20, 32], "counts": "b15Yb0"}},
     {"image_id": 1, "category_id": 1, "score": 1e-3, "keypoints": [4, 5, 2, 9, 9, 1, 0, 0, 0]}]
    """
  private static let voc = """
    <?xml version="1.0"?>
    <!DOCTYPE annotation SYSTEM "a.dtd">
    <annotation><folder>VOC2007</folder><filename>a.png</filename>
      <size><width>64</width><height>48</height><depth>3</depth></size>
      <object><name>cat &amp; dog</name><difficult>1</difficult>
        <bndbox><xmin>3</xmin><ymin>4.5</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>
        <part><name>head</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>
      </object>
      <object><name>cat</name><bndbox><xmax>64</xmax><xmin>1</xmin><ymin>1</ymin><ymax>48</ymax></bndbox></object>
    </annotation>
    """
}
