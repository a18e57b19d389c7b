import Foundation
import TestSupport
import Testing
@testable import Torch

/// Activations that the gradient computes again, and memory that is kept for reuse.
@Suite struct TrainingMemory {
  /// In front of a convolution the ReLU's output is not kept. Its second computation has the same bits, so all
  /// gradients have those of a convolution that keeps its input.
  @Test(arguments: [DType.float32, .float64], [1, 3])
  func anActivationIsComputedAgainWithTheSameBits(dtype: DType, kernel: Int) {
    let norm = BatchNorm2d(32, groups: 2)
    let convolution = Conv2d(32, 48, kernel: kernel, padding: kernel / 2, using: Generator(seed: 1))
    for module in [norm, convolution] as [Module] { module.convert(to: dtype) }
    withNoGrad { norm.bias.tensor.copy(from: formula(salt: 2, shape: [32])) }
    let x = (formula(salt: 1, shape: [8, 32, 13, 11]) * 2 + 1).to(dtype).contiguous(.channelsLast)
    let slope = formula(salt: 3, shape: [8, 48, 13, 11]).to(dtype)

    func gradients(keepsActivation: Bool) -> [Tensor] {
      let input = x.clone()
      input.requiresGrad = true
      let activation = norm.batchNormReLU(input)
      let kept = keepsActivation ? activation.detached().clone() : activation
      if keepsActivation { kept.requiresGrad = true }
      (convolution(kept) * slope).sum().backward()
      if keepsActivation { (activation * kept.gradient!).sum().backward() }
      let found = [input.gradient!] + (norm.parameters + convolution.parameters).map { $0.gradient!.clone() }
      for parameter in norm.parameters + convolution.parameters { parameter.clearGradient() }
      return found
    }
    for (again, expected) in zip(gradients(keepsActivation: false), gradients(keepsActivation: true)) {
      #expect(distance(again, expected) == 0)
    }
  }

  /// Blocks of many sizes come and go on four threads, each with numbers of its own.
  @Test func keptMemoryIsGivenToOneTensorAtATime() {
    Runtime.keepFreedMemory()
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      var generator = Draws(state: UInt64(thread + 1))
      var held: [(tensor: Tensor, value: Double)] = []
      for round in 0..<60 {
        if held.count == 4 {
          let (tensor, value) = held.remove(at: Int(generator.next() % 4))
          #expect(tensor.min().item() == value && tensor.max().item() == value)
        }
        let value = Double(thread * 1000 + round)
        let count = 1 << 18 + Int(generator.next() % (1 << 20))  // 1 to 5 MB
        held.append((Tensor.full(value, [count], dtype: .float32), value))
      }
    }
  }

  /// Numbers of a linear congruence.
  private struct Draws {
    var state: UInt64

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
  }
}
