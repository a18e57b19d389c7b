import Torch

/// What torchvision and torch.nn.functional make of the same inputs in float64.
struct DetectionFixture: Decodable {
  struct RoIAlign: Decodable {
    struct Case: Decodable {
      let output: [Int]
      let samplingRatio: Int
      let aligned: Bool
      let values, gradient: [Double]
    }
    let boxes: [[Double]]
    let cases: [Case]
  }
  struct NMS: Decodable {
    struct Case: Decodable {
      let kind: DType
      let threshold: Double
      let kept, keptByClass: [Int]
    }
    let boxes, scores: [Double]
    let classes: [Int]
    let cases: [Case]
  }
  struct Upsampling: Decodable {
    let mode: String
    let values, gradient: [Double]
  }
  struct TransposedConvolution: Decodable {
    let kernel, stride, padding: Int
    let values: [Double]
    let gradients: [[Double]]
  }
  struct Loss: Decodable {
    let name: String
    let values, gradient: [Double]
  }

  let roiAlign: RoIAlign
  let nms: NMS
  let upsampling: [Upsampling]
  let transposedConvolution: [TransposedConvolution]
  let losses: [Loss]

  static func load() throws -> DetectionFixture { try fixture("detection.json") }
}
