import TestSupport
import Testing
import Torch

/// Kernels that never hold the enlarged logits, against LibTorch's `upsample_bilinear2d`, `cross_entropy_loss` and
/// `argmax`, which do.
@Suite struct EnlargedLogits {
  struct Case: Sendable, CustomTestStringConvertible {
    let images, classes: Int
    let small, image: Size2D

    init(_ images: Int, _ classes: Int, _ small: Size2D, _ image: Size2D) {
      (self.images, self.classes, self.small, self.image) = (images, classes, small, image)
    }

    var testDescription: String { "\(images)×\(classes)×\(small) to \(image)" }

    func logits(_ dtype: DType = .float64) -> Tensor {
      (formula(salt: 1, shape: [images, classes, small.height, small.width]) * 4).to(dtype)
        .contiguous(.channelsLast)
    }

    /// A seventh is ignored.
    var labels: Tensor {
      let shape = [images, image.height, image.width]
      let classes = ((formula(salt: 2, shape: shape) + 1) / 2 * Double(classes)).floor().to(.int64)
      return Tensor.where(formula(salt: 3, shape: shape) .> 0.7, .full(255, shape, dtype: .int64), classes)
    }
  }

  /// Also maps of one pixel, images smaller than the map and as large, and sizes that are no multiple of a vector.
  static let cases: [Case] = [
    Case(2, 21, [5, 5], [65, 65]), Case(1, 2, [3, 4], [33, 50]), Case(2, 5, [1, 1], [16, 16]),
    Case(1, 7, [4, 1], [40, 3]), Case(1, 1, [3, 3], [20, 20]), Case(2, 19, [6, 7], [37, 101]),
    Case(1, 21, [9, 9], [5, 4]), Case(1, 3, [6, 6], [6, 6]), Case(1, 4, [2, 3], [1, 1]),
    Case(1, 182, [4, 4], [30, 37]),
  ]

  /// One correct program is about 1e-15 off another.
  @Test(arguments: cases, [false, true])
  func theLossAndItsGradientAreTheDefinitions(given: Case, alignsCorners: Bool) {
    let (own, theirs) = (given.logits(), given.logits())
    (own.requiresGrad, theirs.requiresGrad) = (true, true)
    let loss = enlargedCrossEntropy(own, given.labels, ignoring: 255, alignsCorners: alignsCorners)
    let expected = enlargedCrossEntropyComposed(
      theirs, given.labels, ignoring: 255, alignsCorners: alignsCorners)
    #expect(loss.shape == [] && loss.dtype == .float64)
    #expect(abs(loss.item() - expected.item()) <= 1e-12)
    (loss * 3).backward()
    (expected * 3).backward()
    let largest = theirs.gradient?.abs().max().item() ?? .nan
    #expect(distance(own.gradient, theirs.gradient) <= 1e-12 * max(largest, 1e-3))
  }

  /// In float32, against the definition in float64: 24 bits give 6e-8 an operation, and sums of some thousand numbers
  /// some ten times as much.
  @Test(arguments: cases, [false, true])
  func float32IsAsNearAsItsBits(given: Case, alignsCorners: Bool) {
    let own = given.logits(.float32), theirs = given.logits(.float32).to(.float64)
    (own.requiresGrad, theirs.requiresGrad) = (true, true)
    let loss = enlargedCrossEntropy(own, given.labels, ignoring: 255, alignsCorners: alignsCorners)
    let expected = enlargedCrossEntropyComposed(
      theirs, given.labels, ignoring: 255, alignsCorners: alignsCorners)
    #expect(loss.dtype == .float32)
    #expect(abs(loss.item() - expected.item()) <= 2e-6 * max(1, expected.item()))
    loss.backward()
    expected.backward()
    let largest = theirs.gradient?.abs().max().item() ?? .nan
    #expect(distance(own.gradient, theirs.gradient) <= 1e-5 * max(largest, 1e-3))
  }

  @Test(arguments: cases, [false, true])
  func theLargestLogitsClassIsFound(given: Case, alignsCorners: Bool) {
    let (height, width) = (given.image.height, given.image.width)
    let own = enlargedArgMax(given.logits(), height: height, width: width, alignsCorners: alignsCorners)
    let expected = enlargedArgMaxComposed(
      given.logits(), height: height, width: width, alignsCorners: alignsCorners)
    #expect(own.shape == [given.images, height, width] && own.dtype == .uint8)
    #expect(own.array(of: UInt8.self) == expected.array(of: UInt8.self))
  }

  @Test(arguments: [DType.float32, .float64]) func ofEqualLogitsTheLowestClassWins(dtype: DType) {
    func found(_ logits: Tensor) -> [UInt8] {
      enlargedArgMax(logits.to(dtype), height: 21, width: 35, alignsCorners: false).array()
    }
    #expect(found(.zeros([1, 5, 3, 3])).allSatisfy { $0 == 0 })
    let low = Tensor.full(-2, [1, 1, 2, 3], dtype: .float64), high = formula(salt: 4, shape: [1, 1, 2, 3])
    #expect(found(.concatenated([low, high, high, low], dim: 1)).allSatisfy { $0 == 1 })
  }

  @Test func bytesAreLabelsToo() {
    let given = Self.cases[0]
    let numbers = enlargedCrossEntropy(given.logits(), given.labels, ignoring: 255, alignsCorners: true)
    let bytes = enlargedCrossEntropy(
      given.logits(), given.labels.to(.uint8), ignoring: 255, alignsCorners: true)
    #expect(bytes.item() == numbers.item())
  }

  /// Where LibTorch has 0 / 0.
  @Test func imagesOfIgnoredPixelsCostNothing() {
    let logits = Self.cases[1].logits()
    logits.requiresGrad = true
    let loss = enlargedCrossEntropy(
      logits, .full(7, [1, 33, 50], dtype: .int64), ignoring: 7, alignsCorners: false)
    #expect(loss.item() == 0)
    loss.backward()
    #expect(logits.gradient?.abs().max().item() == 0)
  }

  /// −log σ(2·10⁴) is 0, −log σ(−2·10⁴) is 2·10⁴, and what is no number stays none, so that training sees it.
  @Test(arguments: [DType.float32, .float64]) func extremeLogitsKeepTheirLoss(dtype: DType) {
    let logits = Tensor([1e4, -1e4], shape: [1, 2, 1, 1]).to(dtype)
    func loss(_ logits: Tensor, _ label: Double) -> Double {
      enlargedCrossEntropy(
        logits, .full(label, [1, 9, 9], dtype: .int64), ignoring: 255, alignsCorners: false
      ).item()
    }
    #expect(loss(logits, 0) == 0)
    #expect(loss(logits, 1) == 2e4)
    #expect(loss(logits * .nan, 1).isNaN)
    #expect(loss(logits * .infinity, 1).isNaN)
  }

  /// Mixed precision gives bfloat16; the loss is computed in float32.
  @Test func reducedLogitsAreWidened() throws {
    let given = Self.cases[0]
    let reduced = given.logits(.bfloat16), wide = given.logits(.bfloat16).to(.float32)
    reduced.requiresGrad = true
    let loss = enlargedCrossEntropy(reduced, given.labels, ignoring: 255, alignsCorners: false)
    #expect(loss.dtype == .float32)
    let expected = enlargedCrossEntropy(wide, given.labels, ignoring: 255, alignsCorners: false)
    #expect(loss.item() == expected.item())
    loss.backward()
    #expect(try #require(reduced.gradient).dtype == .bfloat16)
  }

  @Test(arguments: [3.0, -1]) func aLabelBeyondTheClassesIsAnError(label: Double) {
    do {
      _ = try withTorchErrors {
        enlargedCrossEntropy(
          .zeros([1, 3, 2, 2]), .full(label, [1, 8, 8], dtype: .int64), ignoring: 255, alignsCorners: false)
      }
      Issue.record("no error")
    } catch {
      let message = (error as? TorchError)?.message ?? ""
      #expect(
        message == "the label \(Int(label)) of 3 classes, with 255 for pixels that are ignored", "\(error)")
    }
  }
}
