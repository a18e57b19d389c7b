import Files
import Models
import Torch

/// A whole detector in a file of weights, by detectron2's names: a `.pkl` of its model zoo or a `.pth` of its training.
///
///     let file = try WeightsFile("model_final.pkl")
///     let found = try Detectron2Checkpoint(file)?.tensors(for: detector.state.map(\.name))
///
/// A file of a backbone alone, as the converter published with MoCo writes it, is an ``ImportedEncoder``.
package struct Detectron2Checkpoint {
  private let file: WeightsFile
  /// The file's names by those of detectron2's modules, without the constants of anchors and pixels.
  private let places: [String: String]
  /// `pixel_mean` and `pixel_std` as the file has them: of detectron2's own detectors blue comes first.
  private let pixels: [String: [Double]]

  /// Nil where the file holds no detector by these names.
  /// - Throws: ``InterchangeError``, `FileError`.
  package init?(_ file: WeightsFile) throws {
    let key = "model."
    let inner = file.entries.filter { $0.name.hasPrefix(key) }
    let named = (inner.isEmpty ? file.entries : inner).map {
      (name: inner.isEmpty ? $0.name : String($0.name.dropFirst(key.count)), entry: $0)
    }
    guard named.contains(where: { Self.isOfDetector($0.name) }) else { return nil }
    self.file = file
    places = Dictionary(
      uniqueKeysWithValues: named.filter { !Self.isConstant($0.name) }.map { ($0.name, $0.entry.name) })
    var pixels: [String: [Double]] = [:]
    for (name, entry) in named where name.hasPrefix("pixel_") && entry.shape.reduce(1, *) == 3 {
      let tensor = try file.tensor(entry.name)
      pixels[name] = try withTorchErrors { tensor.to(.float64).array(of: Double.self) }
    }
    self.pixels = pixels
  }

  private static func isOfDetector(_ name: String) -> Bool {
    name.hasPrefix("roi_heads.") || name.hasPrefix("proposal_generator.")
  }

  private static func isConstant(_ name: String) -> Bool {
    name.hasPrefix("pixel_") || name.hasPrefix("proposal_generator.anchor_generator.")
  }

  /// The file's tensors by a detector's names, whatever their shapes, on the CPU. Those without a place in the detector
  /// keep detectron2's names.
  /// - Parameter names: of the detector's state.
  /// - Throws: ``InterchangeError``, `FileError`.
  package func tensors(for names: [String]) throws -> [String: Tensor] {
    var own: [String: String] = [:]
    for name in names { own[GeneralizedRCNN.detectron2Name(of: name)] = name }
    var tensors: [String: Tensor] = [:]
    for (name, place) in places { tensors[own[name] ?? name] = try file.tensor(place) }
    return tensors
  }

  /// Sentences without a full stop where the file's detector takes other pixels than this one.
  package func notes(for spec: DetectorSpec) -> [String] {
    [("pixel_mean", spec.pixelMean), ("pixel_std", spec.pixelStd)].compactMap { name, own in
      guard let stated = pixels[name], zip(stated, own).contains(where: { abs($0 - $1) > 0.01 }) else {
        return nil
      }
      return "the file's weights are for images with \(name) \(Self.text(stated)), and this detector's with "
        + Self.text(own)
    }
  }

  private static func text(_ values: [Double]) -> String {
    values.map { fixed($0, 3) }.joined(separator: " ")
  }
}
