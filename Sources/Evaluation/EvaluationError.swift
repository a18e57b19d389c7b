import Files

/// The error of an evaluation.
package enum EvaluationError: Error, Equatable, CustomStringConvertible {
  /// Features have an infinity or a NaN; the value says which features.
  case notFinite(String)
  /// Results of images that the ground truth does not list; one of these.
  case foreignImages(results: Int, imageID: Int, path: String)
  /// A result or annotation without what is compared.
  case lacks(String, place: String)
  case badMask(place: String, reason: String)
  /// Numbers of keypoints, three a point.
  case keypoints(Int, expected: Int, place: String)
  /// Pictures of different sizes.
  case pixels(truth: Int, prediction: Int, name: String)
  case strangeClass(Int, classes: Int, name: String)

  package var description: String {
    switch self {
    case .notFinite(let name):
      "the features of the \(name) hold infinite values or NaN: the encoder diverged. "
        + "Use an earlier checkpoint, or train with a smaller --lr."
    case .foreignImages(let results, let imageID, let path):
      "\(grouped(results)) of the results \(results == 1 ? "is" : "are") of images that \(path) does not list, such as image_id "
        + "\(imageID); give the file that the detector was tested on"
    case .lacks(let key, let place): "\(place) has no `\(key)`, which this evaluation compares"
    case .badMask(let place, let reason): "the mask of \(place) is damaged: \(reason)"
    case .keypoints(let count, let expected, let place):
      "\(place) has \(count) numbers of keypoints instead of \(expected), three a point"
    case .pixels(let truth, let prediction, let name):
      "\(name) has \(grouped(prediction)) pixels where its truth has \(grouped(truth)); predictions have the size of the image"
    case .strangeClass(let index, let classes, let name):
      "\(name) has a pixel of class \(index), and there are \(classes) classes from 0 on"
    }
  }
}

/// An evaluation was broken off because its caller asked for it.
package struct EvaluationStopped: Error {}
