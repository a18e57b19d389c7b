import Data
import Images
import Torch

/// A picture of the first pairs of views, as input to the network: queries in the upper row, their keys
/// below.
package enum ViewSheet {
  /// The number of pairs.
  package static let pairs = 8

  /// A row of pictures for each view.
  /// - Parameters:
  ///   - views: N×3×H×W each.
  ///   - transform: How they were made.
  package static func draw(_ views: [Tensor], _ transform: MultiViewTransform) throws -> RGBImage {
    precondition(
      views.count == transform.views.count, "\(views.count) views of a transform of \(transform.views.count)")
    let rows = try withTorchErrors {
      withNoGrad { zip(views, transform.views).map { pictures($0, $1.normalization) } }
    }
    var sheet = ContactSheet(
      pictureSize: transform.views.map { max($0.shape.height, $0.shape.width) }.max() ?? 0)
    sheet.rows = rows.map { $0.map { .init($0) } }
    return sheet.image
  }

  /// The first images of a batch with levels from 0 to 255.
  package static func pictures(_ views: Tensor, _ normalization: Normalization) -> [RGBImage] {
    let count = min(pairs, views.shape[0])
    let (height, width) = (views.shape[2], views.shape[3])
    let x = views.narrowed(0..<count).to(.cpu).to(.float32)
    let bytes = (normalization.levels(of: x) * 255).rounded().clamped(0, 255).to(.uint8).permuted([
      0, 2, 3, 1,
    ])
    .array(of: UInt8.self)  // N×H×W×3
    let size = height * width * 3
    return (0..<count).map {
      RGBImage(width: width, height: height, pixels: Array(bytes[$0 * size..<($0 + 1) * size]))
    }
  }
}
