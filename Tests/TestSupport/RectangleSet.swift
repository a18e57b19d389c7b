import Foundation
import Images
import Torch

/// A small detection set: images of gray noise with a red and a blue rectangle each.
public struct RectangleSet: Sendable {
  public enum Form: Sendable {
    /// `all.json` beside its images, with polygons. The ids of images begin at 10, those of the classes are 3 and 7.
    case coco
    /// A devkit with the lists train and test, both of all images; it has no masks.
    case voc
  }

  public let folder: String
  /// As DATA names it, to learn from.
  public let spec: String
  /// As DATA names the same images for a test.
  public let test: String

  public init(
    _ form: Form = .coco, images count: Int = 8, width: Int = 64, height: Int = 48, seed: UInt64 = 5
  ) throws {
    folder = temporaryFolder()
    let scenes = (0..<count).map { Scene(number: $0, width: width, height: height, seed: seed) }
    switch form {
    case .coco:
      for scene in scenes {
        try scene.image.pngData().write(to: URL(filePath: "\(folder)/\(scene.name).png"))
      }
      try JSONSerialization.data(withJSONObject: Self.coco(scenes))
        .write(to: URL(filePath: "\(folder)/all.json"))
      spec = "\(folder)/all.json@\(folder)"
      test = spec
    case .voc:
      let root = "\(folder)/VOC2007"
      for name in ["JPEGImages", "Annotations", "ImageSets/Main"] {
        try FileManager.default.createDirectory(
          atPath: "\(root)/\(name)", withIntermediateDirectories: true)
      }
      for scene in scenes {
        try scene.image.pngData().write(to: URL(filePath: "\(root)/JPEGImages/\(scene.name).png"))
        try put(Array(scene.xml.utf8), at: "\(root)/Annotations/\(scene.name).xml")
      }
      let list = Array(scenes.map { $0.name + "\n" }.joined().utf8)
      for name in ["train", "test"] { try put(list, at: "\(root)/ImageSets/Main/\(name).txt") }
      (spec, test) = ("\(root):train", "\(root):test")
    }
  }

  private static func coco(_ scenes: [Scene]) -> [String: Any] {
    let objects = scenes.flatMap { scene in scene.objects.enumerated().map { (scene, $0, $1) } }
    let annotations = objects.enumerated().map { place, entry -> [String: Any] in
      let (scene, classIndex, object) = entry
      let (right, bottom) = (object.left + object.width, object.top + object.height)
      return [
        "id": place + 1, "image_id": scene.id, "category_id": [3, 7][classIndex], "iscrowd": 0,
        "bbox": [object.left, object.top, object.width, object.height],
        "area": object.width * object.height,
        "segmentation": [
          [object.left, object.top, right, object.top, right, bottom, object.left, bottom]
        ],
      ]
    }
    return [
      "images": scenes.map {
        ["id": $0.id, "file_name": $0.name + ".png", "width": $0.image.width, "height": $0.image.height]
      }, "annotations": annotations,
      "categories": [["id": 3, "name": "red"], ["id": 7, "name": "blue"]],
    ]
  }
}

/// An image and its objects: the red one, then the blue one.
private struct Scene {
  struct Object {
    let left: Int
    let top: Int
    let width: Int
    let height: Int
  }

  let id: Int
  let name: String
  let image: RGBImage
  let objects: [Object]

  init(number: Int, width: Int, height: Int, seed: UInt64) {
    (id, name) = (number + 10, String(format: "%03d", number))
    var random = CounterGenerator(seed: seed, .weights, number)
    var pixels = (0..<width * height * 3).map { _ in UInt8(90 + random.index(below: 60)) }
    var objects: [Object] = []
    for classIndex in 0..<2 {
      let (w, h) = (16 + random.index(below: 12), 14 + random.index(below: 12))
      let left = random.index(below: width / 2 - w / 2) + (classIndex == 0 ? 0 : width / 2 - w / 2)
      let top = random.index(below: height - h)
      for y in top..<top + h {
        for x in left..<left + w {
          let place = 3 * (y * width + x)
          (pixels[place], pixels[place + 1], pixels[place + 2]) =
            classIndex == 0 ? (230, 30, 30) : (30, 30, 230)
        }
      }
      objects.append(Object(left: left, top: top, width: w, height: h))
    }
    image = RGBImage(width: width, height: height, pixels: pixels)
    self.objects = objects
  }

  /// VOC counts pixels from 1, and the last one is inside.
  var xml: String {
    let texts = zip(["red", "blue"], objects).map { name, object in
      "<object><name>\(name)</name><difficult>0</difficult><bndbox><xmin>\(object.left + 1)</xmin>"
        + "<ymin>\(object.top + 1)</ymin><xmax>\(object.left + object.width)</xmax>"
        + "<ymax>\(object.top + object.height)</ymax></bndbox></object>"
    }
    return "<annotation><size><width>\(image.width)</width><height>\(image.height)</height></size>"
      + texts.joined() + "</annotation>"
  }
}
