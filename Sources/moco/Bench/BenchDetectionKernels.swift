import ArgumentParser
import Files
import Foundation
import Torch

/// Times RoIAlign, its gradient and NMS on the inputs of `Benchmarks/detection/kernels.py`, which reads the result.
struct BenchDetectionKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "detection-kernels", abstract: "Time RoIAlign and NMS.", shouldDisplay: false)

  @Argument(help: ArgumentHelp("JSON with maps' sizes, boxes and scores.", valueName: "file"))
  var cases: String

  struct Cases: Decodable {
    struct RoIAlign: Decodable {
      var name: String
      var shape: [Int]
      var bins: Int
      var scale: Double
      /// x0, y0, x1, y1
      var boxes: [Float]
    }
    struct NMS: Decodable {
      var name: String
      var boxes, scores: [Float]
      var threshold: Double
    }
    var threads, rounds: Int
    var roiAlign: [RoIAlign]
    var nms: [NMS]
  }

  func run() throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let given = try decoder.decode(Cases.self, from: Data(contentsOf: URL(filePath: cases)))
    guard given.threads > 0, given.rounds > 0 else {
      throw UsageError("\(cases): \(given.threads) threads, \(given.rounds) rounds: at least 1.")
    }
    Runtime.threads = given.threads
    Runtime.keepFreedMemory()
    var milliseconds: [String: Double] = [:]
    func time(_ name: String, _ body: () -> Tensor) throws {
      let times = try withTorchErrors {
        _ = body()  // the first takes memory from the system
        return (0..<given.rounds).map { _ in ContinuousClock().measure { _ = body() } / .milliseconds(1) }
      }
      milliseconds[name] = median(times)
    }
    for one in given.roiAlign {
      let x = Tensor.normal(one.shape, using: Generator(seed: 1)).contiguous(.channelsLast)
      let corners = Tensor(one.boxes, shape: [one.boxes.count / 4, 4])
      let boxes = Tensor.concatenated([.zeros([corners.shape[0], 1]), corners], dim: 1)
      func align() -> Tensor {
        roiAlign(x, boxes: boxes, outputSize: Size2D(one.bins), spatialScale: one.scale)
      }
      try time("\(one.name) forward", align)
      x.requiresGrad = true
      let cotangent = align().detached() * 0 + 1
      try time("\(one.name) forward and gradient") {
        x.clearGradient()
        (align() * cotangent).sum().backward()
        return x
      }
    }
    for one in given.nms {
      let boxes = Tensor(one.boxes, shape: [one.scores.count, 4]), scores = Tensor(one.scores)
      try time(one.name) { nms(boxes, scores: scores, threshold: one.threshold) }
    }
    try printJSON(milliseconds)
  }
}
