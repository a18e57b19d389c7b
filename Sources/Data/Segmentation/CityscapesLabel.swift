/// A label of Cityscapes by its label id (not train id).
package struct CityscapesLabel: Sendable {
  package let id: Int
  package let name: String
  package let category: String
  package let hasInstances: Bool
  package let isEvaluated: Bool

  /// Labels 0 … 33, in the order of their ids.
  package static let all: [CityscapesLabel] = {
    let categories: [(String, [String])] = [
      (
        "void",
        ["unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground"]
      ),
      ("flat", ["road", "sidewalk", "parking", "rail track"]),
      ("construction", ["building", "wall", "fence", "guard rail", "bridge", "tunnel"]),
      ("object", ["pole", "polegroup", "traffic light", "traffic sign"]),
      ("nature", ["vegetation", "terrain"]),
      ("sky", ["sky"]),
      ("human", ["person", "rider"]),
      ("vehicle", ["car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"]),
    ]
    let left: Set = [
      "parking", "rail track", "guard rail", "bridge", "tunnel", "polegroup", "caravan", "trailer",
    ]
    return categories.flatMap { category, names in names.map { (category, $0) } }.enumerated().map {
      id, label in
      CityscapesLabel(
        id: id, name: label.1, category: label.0, hasInstances: ["human", "vehicle"].contains(label.0),
        isEvaluated: label.0 != "void" && !left.contains(label.1))
    }
  }()

  package static let categories = [
    "void", "flat", "construction", "object", "nature", "sky", "human", "vehicle",
  ]

  /// The 8 classes of instance segmentation.
  package static let instances = all.filter { $0.hasInstances && $0.isEvaluated }
}
