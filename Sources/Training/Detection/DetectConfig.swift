import Files
import Methods

/// The configuration of a detector's training. Keys are members, as those of ``RunConfig``.
@dynamicMemberLookup
package struct DetectConfig: CommandConfig {
  package var storage = KeyStorage()

  package init() {}

  package subscript<Value>(dynamicMember path: KeyPath<DetectKeys, DetectKey<Value>>) -> Value {
    get { self[DetectKeys.table[keyPath: path]] }
    set { self[DetectKeys.table[keyPath: path]] = newValue }
  }

  package static let command = "detect"
  package static let keys: [any KeyOf<DetectConfig>] = Mirror(reflecting: DetectKeys.table).children
    .compactMap { $0.value as? any KeyOf<DetectConfig> }
  package static var recipes: [(name: String, text: [UInt8])] { DetectionRecipe.all }
  package static let keysOfMachines: Set = [DetectKeys.table.device.name, DetectKeys.table.workers.name]
  package static let keysOfPlaces: Set<String> = []

  package func disuse(of key: any KeyOf<DetectConfig>) -> String? { nil }

  package var comparable: DetectConfig {
    var config = self
    // First weights may lie elsewhere by now.
    config.initFile = config.initFile.map { $0.withoutSlash.lastPathPart }
    return config
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
