import Foundation
import TestSupport
import Testing
import Torch

/// Reference numbers of RoIAlign and NMS: all files `roi-align*.json` and `nms*.json` below the folder
/// TRANSFER_CASES, or the committed ones. They are in float64, made with detectron2 0.6 and torchvision 0.26.
@Suite struct TransferKernels {
  static func files(_ kind: String) -> [URL] {
    let own = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/transfer")
    let folder = ProcessInfo.processInfo.environment["TRANSFER_CASES"].map { URL(filePath: $0) } ?? own
    let all = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    return (all?.compactMap { $0 as? URL } ?? []).filter {
      $0.lastPathComponent.hasPrefix(kind) && $0.pathExtension == "json"
    }.sorted { $0.path < $1.path }
  }

  private static func read<Value: Decodable>(_ file: URL) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Value.self, from: Data(contentsOf: file))
  }

  struct Digest: Decodable {
    let shape: [Int]
    let sum, l2, dot: Double
    let first, last: [Double]

    /// The largest difference, beside sums of so many numbers around 1.
    func distance(from x: Tensor) -> Double {
      guard x.shape == shape else { return .infinity }
      let values = x.array(of: Double.self),
        weights = formula(salt: 4242, shape: shape).array(of: Double.self)
      let made = [
        values.reduce(0, +), values.reduce(0) { $0 + $1 * $1 }.squareRoot(),
        zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 },
      ]
      return TorchTests.distance(made + values.prefix(4) + values.suffix(4), [sum, l2, dot] + first + last)
    }
  }

  struct RoIAlignFile: Decodable {
    struct Salted: Decodable {
      let salt: Int
      let shape: [Int]
    }
    struct Cotangent: Decodable { let salt: Int }
    struct Case: Decodable {
      let output: [Int]
      let samplingRatio: Int
      let aligned: Bool
      let forward, backward: Digest
      let values, gradient: [[Double]]?
      let valuesOfChannel0: [Digest]?
    }
    let feature: Salted
    let spatialScale: Double
    let rois: [[Double]]
    let cotangent: Cotangent
    let cases: [Case]
  }

  /// Sums of up to a few thousand numbers around 1.
  @Test(arguments: files("roi-align")) func roiAlign(file: URL) throws {
    let reference: RoIAlignFile = try Self.read(file)
    let boxes = Tensor(reference.rois.flatMap { $0 }, shape: [reference.rois.count, 5])
    for expected in reference.cases {
      print("\(file.lastPathComponent): \(expected.output), ratio \(expected.samplingRatio)")
      let x = formula(salt: reference.feature.salt, shape: reference.feature.shape)
      x.requiresGrad = true
      let y = Torch.roiAlign(
        x, boxes: boxes, outputSize: Size2D(height: expected.output[0], width: expected.output[1]),
        spatialScale: reference.spatialScale, samplingRatio: expected.samplingRatio, aligned: expected.aligned
      )
      (y * formula(salt: reference.cotangent.salt, shape: y.shape)).sum().backward()
      #expect(expected.forward.distance(from: y) < 1e-11)
      #expect(expected.backward.distance(from: x.gradient ?? .zeros([])) < 1e-11)
      if let values = expected.values { #expect(distance(y.array(), values.flatMap { $0 }) < 1e-12) }
      if let gradient = expected.gradient {
        #expect(distance(x.gradient?.array() ?? [], gradient.flatMap { $0 }) < 1e-12)
      }
      for (i, digest) in (expected.valuesOfChannel0 ?? []).enumerated() {
        #expect(digest.distance(from: y.selected(i).selected(0)) < 1e-11)
      }
    }
  }

  struct NMSFile: Decodable {
    struct Case: Decodable {
      let threshold: Double
      let keep, keepBatched: [Int]
    }
    let boxes: [[Double]]
    let scores: [Double]
    let classes: [Int]
    let cases: [Case]
  }

  @Test(arguments: files("nms")) func nms(file: URL) throws {
    let reference: NMSFile = try Self.read(file)
    let boxes = Tensor(reference.boxes.flatMap { $0 }, shape: [reference.boxes.count, 4])
    let scores = Tensor(reference.scores), classes = Tensor(reference.classes)
    for expected in reference.cases {
      print("\(file.lastPathComponent): threshold \(expected.threshold)")
      #expect(Torch.nms(boxes, scores: scores, threshold: expected.threshold).array() == expected.keep)
      let byClass = batchedNMS(boxes, scores: scores, classes: classes, threshold: expected.threshold)
      #expect(byClass.array() == expected.keepBatched)
    }
  }
}
