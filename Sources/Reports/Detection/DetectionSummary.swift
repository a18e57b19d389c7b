import Evaluation

/// A detector's numbers on a test set, as a page shows them. Shares are 0 to 1, and nil where there is nothing to measure.
package struct DetectionSummary: Sendable, Equatable {
  package struct Class: Sendable, Equatable {
    package var name: String
    /// In the annotations.
    package var objects: Int
    package var ap: Double?
    package var ap50: Double?

    package init(name: String, objects: Int, ap: Double?, ap50: Double?) {
      (self.name, self.objects, self.ap, self.ap50) = (name, objects, ap, ap50)
    }
  }

  /// AP of the objects of a size.
  package struct Size: Sendable, Equatable {
    package var name: String
    package var ap: Double?

    package init(name: String, ap: Double?) { (self.name, self.ap) = (name, ap) }
  }

  /// The rules, such as "COCO".
  package var metric: String
  /// What is compared: "boxes", "masks" or "keypoints".
  package var compared: String
  package var ap: Double?
  package var ap50: Double?
  package var ap75: Double?
  package var sizes: [Size]
  package var classes: [Class]
  /// Precision over recall.
  package var curves: [DetectionScore.Curve]

  package init(
    metric: String, compared: String, ap: Double?, ap50: Double?, ap75: Double?, sizes: [Size] = [],
    classes: [Class] = [], curves: [DetectionScore.Curve] = []
  ) {
    (self.metric, self.compared) = (metric, compared)
    (self.ap, self.ap50, self.ap75) = (ap, ap50, ap75)
    (self.sizes, self.classes, self.curves) = (sizes, classes, curves)
  }
}
