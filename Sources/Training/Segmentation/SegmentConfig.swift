import Data
import Files
import Methods
import Models
import Torch

/// The configuration of a segmenter's training.
@dynamicMemberLookup
package struct SegmentConfig: TransferConfig {
  package typealias Spec = SegmenterSpec

  package var storage = KeyStorage()

  package init() {}

  package subscript<Value>(dynamicMember path: KeyPath<SegmentKeys, SegmentKey<Value>>) -> Value {
    get { self[SegmentKeys.table[keyPath: path]] }
    set { self[SegmentKeys.table[keyPath: path]] = newValue }
  }

  package static let command = "segment"
  package static let transfer = TransferKeys<SegmentConfig>()
  package static let keys = TransferKeys<SegmentConfig>.all(with: SegmentKeys.table)
  package static var recipes: [(name: String, text: [UInt8])] { SegmentationRecipe.all }
  package static let decaysNorms = true
  package static let keysOfNetwork: Set = [
    "arch", "norm", "head-channels", "head-dilation", "align-corners",
  ]

  package var networkSummary: String {
    "fcn with \(self.arch.rawValue), head of \(self.headChannels) channels; batch normalisation "
      + "\(self.norm.rawValue)\(self.freezeAt > 0 ? ", frozen up to stage \(self.freezeAt)" : "")"
  }

  package static func event(_ start: RunEvent.TaskStart<SegmentConfig>) -> RunEvent { .segmenter(start) }

  package func checkCombinations() throws {
    if let problem = spec(classes: 2).problem { throw UsageError("--\(problem)") }
  }

  /// Whether factors of scale are two, the smaller first.
  static func isRange(_ factors: [Double]) -> Bool {
    guard factors.count == 2 else { return false }
    return factors[0] > 0 && factors[0] <= factors[1] && factors[1] <= 16
  }

  /// The segmenter.
  /// - Parameter classes: Of the training set, with its background.
  package func spec(classes: Int) -> SegmenterSpec {
    var spec = SegmenterSpec(arch: self.arch, classes: classes)
    (spec.norm, spec.freezeAt) = (self.norm, self.freezeAt)
    (spec.headChannels, spec.headDilation) = (self.headChannels, self.headDilation)
    spec.alignCorners = self.alignCorners
    return spec
  }
}

/// The recipes of segmenters in the program, each a YAML file in `SegmentationRecipes/`.
package enum SegmentationRecipe {
  package static let all: [(name: String, text: [UInt8])] = [
    ("voc-fcn", PackageResources.voc_fcn_yaml),
    ("cityscapes-fcn", PackageResources.cityscapes_fcn_yaml),
    // Small sets, on a CPU.
    ("small-fcn", PackageResources.small_fcn_yaml),
  ]

  package static var names: [String] { all.map(\.name) }
}
