/// A label of Cityscapes by its label id (not train id).
///
/// Source: the label table of Cordts et al. 2016.
package struct CityscapesLabel: Sendable {
  package let id: Int
  package let name: String
  package let category: String
  package let hasInstances: Bool
  package let isEvaluated: Bool
  /// Its place among the evaluated labels; nil for the others, which training leaves out.
  package let trainID: Int?

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
    var labels: [CityscapesLabel] = []
    var evaluated = 0
    for (category, names) in categories {
      for name in names {
        let isEvaluated = category != "void" && !left.contains(name)
        labels.append(
          CityscapesLabel(
            id: labels.count, name: name, category: category,
            hasInstances: ["human", "vehicle"].contains(category), isEvaluated: isEvaluated,
            trainID: isEvaluated ? evaluated : nil))
        if isEvaluated { evaluated += 1 }
      }
    }
    return labels
  }()

  package static let categories = [
    "void", "flat", "construction", "object", "nature", "sky", "human", "vehicle",
  ]

  /// The 19 labels of semantic segmentation, in the order of their train ids.
  package static let evaluated = all.filter(\.isEvaluated)

  /// The 8 classes of instance segmentation.
  package static let instances = all.filter { $0.hasInstances && $0.isEvaluated }

  /// The colours of the evaluated labels in pictures, in the order of their train ids.
  package static let colors: [SIMD3<UInt8>] = [
    [128, 64, 128], [244, 35, 232], [70, 70, 70], [102, 102, 156], [190, 153, 153], [153, 153, 153],
    [250, 170, 30], [220, 220, 0], [107, 142, 35], [152, 251, 152], [70, 130, 180], [220, 20, 60],
    [255, 0, 0], [0, 0, 142], [0, 0, 70], [0, 60, 100], [0, 80, 100], [0, 0, 230], [119, 11, 32],
  ]
}
