import Data
import Foundation
import Images

/// An image of one colour with a corner of another, so that a flip shows.
func picture(width: Int, height: Int, seed: Int = 1) -> RGBImage {
  var pixels = [UInt8](repeating: UInt8(40 + seed * 37 % 200), count: width * height * 3)
  for y in 0..<height / 2 {
    for x in 0..<width / 2 { pixels[(y * width + x) * 3] = UInt8(200 + (x + y) % 50) }
  }
  return RGBImage(width: width, height: height, pixels: pixels)
}

extension TemporaryFolder {
  @discardableResult
  func picture(_ name: String, width: Int = 64, height: Int = 48, seed: Int = 1) throws -> String {
    try write(name, DataTests.picture(width: width, height: height, seed: seed).pngData())
  }

  @discardableResult
  func text(_ name: String, _ text: String) throws -> String { try write(name, Data(text.utf8)) }
}

/// The text of a VOC object.
func vocObject(
  _ name: String = "cell", _ box: [String] = ["3", "4", "20", "30"], difficult: Bool = false,
  more: String = ""
) -> String {
  let edges = zip(["xmin", "ymin", "xmax", "ymax"], box).map { "<\($0)>\($1)</\($0)>" }.joined()
  return
    "<object><name>\(name)</name><difficult>\(difficult ? 1 : 0)</difficult>\(more)<bndbox>\(edges)</bndbox></object>"
}

/// The text of a VOC file.
func vocXML(_ objects: [String], width: Int? = 64, height: Int? = 48) -> String {
  let size = width.map { "<size><width>\($0)</width><height>\(height ?? 0)</height></size>" } ?? ""
  return "<annotation>\(size)\(objects.joined())</annotation>"
}

/// A devkit of 64 × 48 PNG images, with a list `train` of all of them.
func makeVOC(
  _ images: [(name: String, xml: String)], in folder: TemporaryFolder, under root: String = "VOC2007"
) throws -> String {
  for (number, image) in images.enumerated() {
    try folder.picture("\(root)/JPEGImages/\(image.name).png", seed: number)
    try folder.text("\(root)/Annotations/\(image.name).xml", image.xml)
  }
  try folder.text("\(root)/ImageSets/Main/train.txt", images.map(\.name).joined(separator: "\n") + "\n")
  return folder.path + "/" + root
}

/// A COCO file's text. Images 1, 2, … are 64 × 48, a.png, b.png, …; annotations are JSON objects.
func coco(
  _ annotations: [String], images: Int = 1, categories: String = #"{"id": 3, "name": "cell"}"#,
  imageFields: String = ""
) -> String {
  let list = (0..<images).map { place in
    #"{"id": \#(place + 1), "file_name": "\#(letter(place)).png", "width": 64, "height": 48\#(imageFields)}"#
  }
  return #"{"images": [\#(list.joined(separator: ","))], "categories": [\#(categories)], "#
    + #""annotations": [\#(annotations.joined(separator: ","))]}"#
}

func letter(_ place: Int) -> String { String(UnicodeScalar(UInt8(97 + place))) }

/// The file with its images beside it.
func makeCOCO(_ text: String, images: Int = 1, in folder: TemporaryFolder) throws -> String {
  for place in 0..<images { try folder.picture("images/\(letter(place)).png", seed: place) }
  try folder.text("train.json", text)
  return "\(folder.path)/train.json@\(folder.path)/images"
}

let goodAnnotation =
  #"{"id": 1, "image_id": 1, "category_id": 3, "bbox": [2, 3, 20, 30], "area": 600, "iscrowd": 0}"#

/// An annotation of image 1 with other fields, which come last and so count.
func annotation(_ fields: String, id: Int = 2) -> String {
  #"{"id": \#(id), "image_id": 1, "category_id": 3, "bbox": [5, 5, 10, 10], \#(fields)}"#
}
