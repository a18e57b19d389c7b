import Data
import Evaluation

extension Console {
  /// Reports what lies beside a data set's images and is not in it: as a warning where images or classes may be missing.
  ///
  /// - Parameter path: Where the data set is.
  package func report(leftOutOf dataset: Dataset, at path: String) {
    guard !dataset.leftOut.isEmpty else { return }
    let text = dataset.leftOut.text(of: path)
    if dataset.leftOut.isLoss { warn(text) } else { say(text) }
  }

  /// The same for data sets that are measured, and the members of their shards that were passed over.
  package func report(leftOutOf sets: EvaluationData...) {
    var reported: Set<String> = []
    for set in sets where reported.insert(set.path).inserted {
      report(leftOutOf: set.dataset, at: set.path)
      let passedOver = set.dataset.passedOver
      if !passedOver.isEmpty { say("members passed over in \(set.path): \(passedOver)") }
    }
  }
}
