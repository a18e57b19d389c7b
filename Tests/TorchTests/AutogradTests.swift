import Testing
import Torch

@Suite struct Gradients {
  struct Stop: Error {}

  /// d/dw Σ (w·x)² = 2·w·x²
  @Test func backwardFillsLeavesAndAddsUp() {
    let x = Tensor([1.0, 2, 3])
    let w = Tensor([0.5, -1, 2])
    w.requiresGrad = true
    (w * x).pow(2).sum().backward()
    #expect(w.gradient?.array() == [1.0, -8, 36])
    #expect(x.gradient == nil)
    (w * x).sum().backward()
    #expect(w.gradient?.array() == [2.0, -6, 39])
    w.clearGradient()
    #expect(w.gradient == nil)
  }

  @Test func aDetachedTensorIsCutOff() {
    let w = Tensor([2.0])
    w.requiresGrad = true
    (w * w.detached()).sum().backward()
    #expect(w.gradient?.item() == 2)
    #expect(!w.detached().requiresGrad)
  }

  @Test func noGraphIsRecordedWithoutGradients() {
    let w = Tensor([2.0])
    w.requiresGrad = true
    let recorded = withNoGrad { (w * 2).requiresGrad }
    #expect(!recorded)
    #expect((w * 2).requiresGrad)
  }

  @Test func gradientModeComesBackAfterAnErrorAndFromWithin() {
    let w = Tensor([2.0])
    w.requiresGrad = true
    #expect(throws: Stop.self) { try withNoGrad { throw Stop() } }
    #expect((w * 2).requiresGrad)
    withNoGrad {
      #expect(throws: Stop.self) { try withNoGrad { throw Stop() } }
      #expect(!(w * 2).requiresGrad)
    }
    #expect((w * 2).requiresGrad)
  }
}
