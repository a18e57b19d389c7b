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
      withNoGrad {
        zip(views, transform.views).map { views, transform in
          let first = views.narrowed(0..<min(pairs, views.shape[0]))
          return transform.normalization.pictures(of: first) ?? []
        }
      }
    }
    var sheet = ContactSheet(
      pictureSize: transform.views.map { max($0.shape.height, $0.shape.width) }.max() ?? 0)
    sheet.rows = rows.map { $0.map { .init($0) } }
    return sheet.image
  }
}
