import TestSupport
import Testing
import Torch

/// Maxima over windows, by their definition.
@Suite struct MaxPooling {
  struct Case: Sendable, CustomTestStringConvertible {
    let height, width, kernel, stride, padding: Int
    var testDescription: String {
      "\(height)×\(width), kernel \(kernel), stride \(stride), padding \(padding)"
    }
  }

  static let cases = [
    Case(height: 9, width: 12, kernel: 3, stride: 2, padding: 1),
    Case(height: 7, width: 4, kernel: 2, stride: 2, padding: 0),
    Case(height: 5, width: 6, kernel: 2, stride: 1, padding: 1),
    Case(height: 6, width: 5, kernel: 1, stride: 2, padding: 0),
  ]

  /// Small whole numbers, so that many are equal: the first of a window has the gradient. One channel is −∞.
  @Test(arguments: cases, [DType.float32, .float64, .bfloat16])
  func takesTheFirstOfTheGreatest(given: Case, dtype: DType) throws {
    let (channels, images) = (5, 3)
    let shape = [images, channels, given.height, given.width]
    var numbers = (formula(salt: 9, shape: shape) * 4).array(of: Double.self).map { $0.rounded() }
    for i in numbers.indices where i / (given.height * given.width) % channels == 2 {
      numbers[i] = -.infinity
    }
    let x = Tensor(numbers, shape: shape).to(dtype).contiguous(.channelsLast)
    x.requiresGrad = true
    let y = maxPool2d(x, kernel: given.kernel, stride: given.stride, padding: given.padding)
    let slope = (formula(salt: 5, shape: y.shape) * 8).array(of: Double.self).map { $0.rounded() }
    (y * Tensor(slope, shape: y.shape).to(dtype)).sum().backward()

    var maxima: [Double] = [], gradient = [Double](repeating: 0, count: numbers.count)
    for plane in 0..<images * channels {
      for row in 0..<y.shape[2] {
        for column in 0..<y.shape[3] {
          var best: Int?
          for tap in 0..<given.kernel * given.kernel {
            let i = row * given.stride - given.padding + tap / given.kernel
            let j = column * given.stride - given.padding + tap % given.kernel
            guard (0..<given.height).contains(i), (0..<given.width).contains(j) else { continue }
            let at = (plane * given.height + i) * given.width + j
            if best == nil || numbers[at] > numbers[best!] { best = at }
          }
          gradient[best!] += slope[maxima.count]
          maxima.append(numbers[best!])
        }
      }
    }
    #expect(y.array(of: Double.self) == maxima)
    #expect(x.gradient!.array(of: Double.self) == gradient)
  }

  @Test func findsANumberThatIsNone() {
    let y = maxPool2d(
      Tensor([1, .nan, 3, 2, 1, 0, 4, 5, 6], shape: [1, 1, 3, 3]), kernel: 2, stride: 1, padding: 0)
    #expect(y.array(of: Double.self).map(\.isNaN) == [true, true, false, false])
  }
}
