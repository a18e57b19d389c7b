import Data
import Images

/// A test image with the classes of its pixels, and those that were predicted.
package struct SegmentationPicture: Sendable {
  package var name: String
  package var image: RGBImage
  package var truth: LabelMap
  package var prediction: LabelMap

  /// Traps unless all have one size.
  package init(name: String, image: RGBImage, truth: LabelMap, prediction: LabelMap) {
    precondition(
      image.width == truth.width && image.height == truth.height && prediction.width == truth.width
        && prediction.height == truth.height,
      "an image of \(image.width) × \(image.height) pixels with \(truth.width) × \(truth.height) and "
        + "\(prediction.width) × \(prediction.height) labels")
    (self.name, self.image, self.truth, self.prediction) = (name, image, truth, prediction)
  }

  /// Pixels of a true class that have another predicted one.
  struct Mistake: Equatable {
    let truth: Int
    let prediction: Int
    let pixels: Int
  }

  /// Pixels with a class, those of them that are right, and the mistakes, the most frequent first.
  var mistakes: (pixels: Int, right: Int, list: [Mistake]) {
    var pairs = [Int](repeating: 0, count: 1 << 16)
    for (own, predicted) in zip(truth.labels, prediction.labels) where own != LabelMap.ignored {
      pairs[Int(own) << 8 | Int(predicted)] += 1
    }
    var (all, right, list): (Int, Int, [Mistake]) = (0, 0, [])
    for (pair, count) in pairs.enumerated() where count > 0 {
      all += count
      if pair >> 8 == pair & 255 {
        right += count
      } else {
        list.append(Mistake(truth: pair >> 8, prediction: pair & 255, pixels: count))
      }
    }
    return (
      all, right, list.sorted { ($0.pixels, $1.truth, $1.prediction) > ($1.pixels, $0.truth, $0.prediction) }
    )
  }
}
