import Files
import Methods
import Models

/// The configuration of a detector's training.
@dynamicMemberLookup
package struct DetectConfig: TransferConfig {
  package typealias Spec = DetectorSpec

  package var storage = KeyStorage()

  package init() {}

  package subscript<Value>(dynamicMember path: KeyPath<DetectKeys, DetectKey<Value>>) -> Value {
    get { self[DetectKeys.table[keyPath: path]] }
    set { self[DetectKeys.table[keyPath: path]] = newValue }
  }

  package static let command = "detect"
  package static let transfer = TransferKeys<DetectConfig>()
  package static let keys = TransferKeys<DetectConfig>.all(with: DetectKeys.table)
  package static var recipes: [(name: String, text: [UInt8])] { DetectionRecipe.all }
  package static let decaysNorms = false
  package static let keysOfNetwork: Set = ["detector", "arch", "masks", "keypoints", "norm"]

  package var networkSummary: String {
    let learned = ["boxes"] + (self.masks ? ["masks"] : []) + (self.keypoints ? ["keypoints"] : [])
    return "\(self.detector.rawValue) with \(self.arch.rawValue), \(learned.joined(separator: ", ")); batch "
      + "normalisation \(self.norm.rawValue)\(self.freezeAt > 0 ? ", frozen up to stage \(self.freezeAt)" : "")"
  }

  package static func event(_ start: RunEvent.TaskStart<DetectConfig>) -> RunEvent { .detector(start) }

  package func checkCombinations() throws {
    guard !(self.masks && self.keypoints) else {
      throw UsageError("--masks and --keypoints are not learned together: give one of them.")
    }
    if let problem = spec(classes: 1, keypoints: 1).problem { throw UsageError("--\(problem)") }
  }

  /// Lengths of an image's side.
  static let sides = 1...16_384
}

/// The recipes of detectors in the program, each a YAML file in `DetectionRecipes/`.
package enum DetectionRecipe {
  package static let all: [(name: String, text: [UInt8])] = [
    ("voc-c4", PackageResources.voc_c4_yaml),
    ("voc07-c4", PackageResources.voc07_c4_yaml),
    ("voc-dc5", PackageResources.voc_dc5_yaml),
    ("coco-c4", PackageResources.coco_c4_yaml),
    ("coco-c4-2x", PackageResources.coco_c4_2x_yaml),
    ("coco-fpn", PackageResources.coco_fpn_yaml),
    ("coco-keypoints", PackageResources.coco_keypoints_yaml),
    ("lvis-fpn", PackageResources.lvis_fpn_yaml),
    ("cityscapes-fpn", PackageResources.cityscapes_fpn_yaml),
    // Small sets, on a CPU.
    ("small-c4", PackageResources.small_c4_yaml),
    ("small-fpn", PackageResources.small_fpn_yaml),
  ]

  package static var names: [String] { all.map(\.name) }
}
