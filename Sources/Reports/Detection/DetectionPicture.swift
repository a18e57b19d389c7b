import Data
import Torch

/// A test image with its objects and what a detector found in it, in pixels of the image.
package struct DetectionPicture: Sendable {
  /// An object of the annotations.
  package struct Truth: Sendable {
    package var box: BoundingBox
    package var classIndex: Int
    package var mask: InstanceMask?
    /// Of a crowd, or difficult: neither found nor missed.
    package var isIgnored: Bool

    package init(box: BoundingBox, classIndex: Int, mask: InstanceMask? = nil, isIgnored: Bool = false) {
      (self.box, self.classIndex, self.mask, self.isIgnored) = (box, classIndex, mask, isIgnored)
    }

    package init(_ object: AnnotatedObject) {
      self.init(
        box: object.box, classIndex: object.classIndex, mask: object.mask,
        isIgnored: object.isCrowd || object.isDifficult)
    }
  }

  package struct Detection: Sendable {
    package var box: BoundingBox
    package var classIndex: Int
    /// 0 to 1.
    package var score: Double
    package var mask: InstanceMask?

    package init(box: BoundingBox, classIndex: Int, score: Double, mask: InstanceMask? = nil) {
      (self.box, self.classIndex, self.score, self.mask) = (box, classIndex, score, mask)
    }
  }

  package var name: String
  /// The image's file.
  package var path: String
  package var width: Int
  package var height: Int
  package var truth: [Truth]
  package var detections: [Detection]

  package init(
    name: String, path: String, width: Int, height: Int, truth: [Truth], detections: [Detection]
  ) {
    (self.name, self.path, self.width, self.height) = (name, path, width, height)
    (self.truth, self.detections) = (truth, detections)
  }
}

/// Which detection found which object of an image, by boxes.
///
/// As in COCO's evaluation (Lin et al. 2014), detections choose by falling score: each takes the free object of its class
/// that it overlaps most, if IoU ≥ 0.5. One that finds none, but lies on an ignored object, is ignored too.
package struct PictureMatching: Sendable {
  package enum Outcome: Sendable, Equatable {
    /// Found this object.
    case right(Int)
    case wrong
    case ignored
  }

  package static let threshold = 0.5

  /// Of each detection.
  package let outcomes: [Outcome]
  /// The score of the detection that found each object; nil where none did.
  package let scores: [Double?]
  /// How badly the image's objects were missed: the sum over its objects of 1 − the score of the detection that found it,
  /// which is 1 for a missed one. Ignored objects do not count.
  package let gap: Double

  package init(_ picture: DetectionPicture) {
    var outcomes = [Outcome](repeating: .wrong, count: picture.detections.count)
    var scores = [Double?](repeating: nil, count: picture.truth.count)
    let falling = picture.detections.indices.sorted {
      (picture.detections[$0].score, $1) > (picture.detections[$1].score, $0)  // of equal scores the first
    }
    for index in falling {
      let detection = picture.detections[index]
      var best: (index: Int, overlap: Double)?
      for (place, truth) in picture.truth.enumerated()
      where truth.classIndex == detection.classIndex && !truth.isIgnored && scores[place] == nil {
        let overlap = detection.box.overlap(with: truth.box)
        if overlap >= Self.threshold, overlap > best?.overlap ?? 0 { best = (place, overlap) }
      }
      if let best {
        outcomes[index] = .right(best.index)
        scores[best.index] = detection.score
      } else if picture.truth.contains(where: { $0.ignores(detection) }) {
        outcomes[index] = .ignored
      }
    }
    (self.outcomes, self.scores) = (outcomes, scores)
    gap = zip(picture.truth, scores).reduce(0) { $1.0.isIgnored ? $0 : $0 + 1 - ($1.1 ?? 0) }
  }
}

extension DetectionPicture.Truth {
  /// A crowd takes in all that lies on it.
  fileprivate func ignores(_ detection: DetectionPicture.Detection) -> Bool {
    guard isIgnored, classIndex == detection.classIndex, detection.box.area > 0 else { return false }
    return box.intersection(with: detection.box) / detection.box.area >= PictureMatching.threshold
  }
}

extension BoundingBox {
  fileprivate func intersection(with other: BoundingBox) -> Double {
    max(0, min(x1, other.x1) - max(x0, other.x0)) * max(0, min(y1, other.y1) - max(y0, other.y0))
  }

  /// Intersection over union.
  fileprivate func overlap(with other: BoundingBox) -> Double {
    let common = intersection(with: other)
    return common > 0 ? common / (area + other.area - common) : 0
  }
}
