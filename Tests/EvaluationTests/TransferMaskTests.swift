import Data
import Evaluation
import Foundation
import Testing
import Torch

/// Reference run lengths of pycocotools.
@Suite struct TransferMasks {
  static let files = Reference.all.filter { $0["merges"].isThere && $0["box_iou"].isThere }
  static let polygons = Reference.all.filter { $0["polygon_rle_96x128"].isThere }

  private func check(_ mask: RunLengthMask, _ expected: Reference, text key: String) {
    #expect(String(decoding: mask.compressed, as: UTF8.self) == expected[key].text)
    #expect(mask.area == expected["area"].whole)
    let box = mask.boundingBox
    #expect([box.x, box.y, box.width, box.height].map(Double.init) == expected["bbox"].numbers)
  }

  @Test(arguments: files) func runLengthsArePycocotools(_ file: Reference) throws {
    print("transfer: \(file.name)")
    let (height, width) = (file["height"].whole, file["width"].whole)
    for one in file["polygons"].list {
      check(
        RunLengthMask(polygons: [one["polygon"].numbers], height: height, width: width), one, text: "counts")
    }
    for one in file["boxes"].list {
      let box = one["box"].numbers
      let (x0, y0, x1, y1) = (box[0], box[1], box[0] + box[2], box[1] + box[3])
      check(
        RunLengthMask(polygons: [[x0, y0, x0, y1, x1, y1, x1, y0]], height: height, width: width), one,
        text: "counts")
    }
    for one in file["counts"].list {
      let mask = try RunLengthMask(
        counts: one["counts"].wholes.map { UInt32($0) }, height: height, width: width)
      check(mask, one, text: "text")
      #expect(
        try RunLengthMask(compressed: Array(one["text"].text.utf8), height: height, width: width) == mask)
    }
    func masks(_ texts: Reference) throws -> [RunLengthMask] {
      try texts.list.map { try RunLengthMask(compressed: Array($0.text.utf8), height: height, width: width) }
    }
    try checkMerges(file["merges"], masks(file["merges"]["masks"]))
    let crossed = try masks(file["iou"]["masks"])
    let crowds = file["iou"]["iscrowd"].wholes.map { $0 == 1 }
    let overlaps = RunLengthMask.overlaps(of: crossed, with: crossed, areCrowds: crowds)
    #expect(apart(overlaps, file["iou"]["matrix"].flat) < metricTolerance)
    try checkBoxes(file["box_iou"])
  }

  private func checkMerges(_ merges: Reference, _ masks: [RunLengthMask]) throws {
    for one in merges["cases"].list {
      let chosen = one["of"].wholes.map { masks[$0] }
      func text(_ mask: RunLengthMask) -> String { String(decoding: mask.compressed, as: UTF8.self) }
      #expect(text(.union(chosen)) == one["union"].text)
      #expect(text(.intersection(chosen)) == one["intersection"].text)
    }
  }

  private func checkBoxes(_ part: Reference) throws {
    let boxes = part["boxes"].list.map { SIMD4($0[0].number, $0[1].number, $0[2].number, $0[3].number) }
    let crowds = part["iscrowd"].wholes.map { UInt8($0) }
    let overlaps = [Double](unsafeUninitializedCapacity: boxes.count * boxes.count) { buffer, count in
      boxes.withUnsafeBufferPointer {
        boxOverlaps(of: $0, with: $0, areCrowds: crowds, into: buffer.baseAddress!)
      }
      count = boxes.count * boxes.count
    }
    #expect(apart(overlaps, part["matrix"].flat) < metricTolerance)
  }

  @Test(arguments: polygons) func polygonsOfSeveralPartsArePycocotools(_ file: Reference) throws {
    print("transfer: \(file.name)")
    for (polygons, expected) in zip(file["polygons"].list, file["polygon_rle_96x128"].list) {
      let size = expected["size"].wholes
      let mask = RunLengthMask(polygons: polygons.list.map(\.numbers), height: size[0], width: size[1])
      check(mask, expected, text: "counts")
    }
    try checkTargets(file)
  }

  /// Polygons moved and scaled into boxes, as targets of the mask loss.
  private func checkTargets(_ file: Reference) throws {
    for (text, targets) in file["targets"].object {
      let side = try #require(Int(text))
      for (place, rows) in targets.list.enumerated() {
        let box = file["boxes"][place].numbers
        let (width, height) = (box[2] - box[0], box[3] - box[1])
        let polygons = file["polygons"][place].list.map { polygon in
          polygon.numbers.enumerated().map { index, value in
            index % 2 == 0
              ? (value - box[0]) * (Double(side) / max(width, 0.1))
              : (value - box[1]) * (Double(side) / max(height, 0.1))
          }
        }
        let bitmap = RunLengthMask(polygons: polygons, height: side, width: side).bitmap()
        let found = (0..<side).map { row in
          bitmap[row * side..<(row + 1) * side].map { $0 == 1 ? "1" : "0" }.joined()
        }
        #expect(found == rows.list.map(\.text), "target \(place) of \(side)")
      }
    }
  }
}
