import Foundation
import TestSupport
import Testing
@testable import Torch

/// Activations that the gradient computes again, and memory that is kept for reuse.
@Suite struct TrainingMemory {
  /// A convolution behind a normalisation with a ReLU, and a loss of all its results.
  private final class Layers {
    let norm = BatchNorm2d(32, groups: 2)
    let convolution: Conv2d
    let x, slope: Tensor

    init(_ dtype: DType, kernel: Int = 3) {
      convolution = Conv2d(32, 48, kernel: kernel, padding: kernel / 2, using: Generator(seed: 1))
      if dtype == .float64 { [norm, convolution].forEach { $0.convert(to: dtype) } }
      x = (formula(salt: 1, shape: [8, 32, 13, 11]) * 2 + 1).to(dtype).contiguous(.channelsLast)
      slope = formula(salt: 3, shape: [8, 48, 13, 11]).to(dtype)
      withNoGrad { norm.bias.tensor.copy(from: formula(salt: 2, shape: [32])) }
    }

    /// The gradients of x and of all parameters. Where it `keeps` the activation, the convolution's input is a tensor
    /// without a past, whose gradient is given to the normalisation.
    /// - Parameters:
    ///   - before: changes the activation before the convolution.
    ///   - after: changes it between the convolution and the gradient.
    func gradients(
      keeps: Bool, before: (Tensor) -> Void = { _ in }, after: (Tensor) -> Void = { _ in }
    ) -> [Tensor] {
      let input = x.clone()
      input.requiresGrad = true
      let activation = norm.batchNormReLU(input)
      withNoGrad { before(activation) }
      let given = keeps ? activation.detached().clone() : activation
      if keeps { given.requiresGrad = true }
      let y = convolution(given)
      withNoGrad { after(activation) }
      (y * slope).sum().backward()
      if keeps { (activation * given.gradient!).sum().backward() }
      let parameters = norm.parameters + convolution.parameters
      defer { parameters.forEach { $0.clearGradient() } }
      return [input.gradient!] + parameters.map { $0.gradient!.clone() }
    }
  }

  private func expectEqual(_ a: [Tensor], _ b: [Tensor]) {
    for (a, b) in zip(a, b) { #expect(distance(a, b) == 0) }
  }

  /// The second computation has the same bits, so all gradients have those of a convolution that keeps its input. Nobody
  /// notices that the activation is overwritten before its gradient: it is not kept.
  @Test(arguments: [DType.float32, .float64], [1, 3])
  func anActivationIsComputedAgainWithTheSameBits(dtype: DType, kernel: Int) {
    let layers = Layers(dtype, kernel: kernel)
    expectEqual(
      layers.gradients(keeps: false, after: { $0.fill(7) }), layers.gradients(keeps: true))
  }

  @Test func anActivationThatWasChangedIsKeptAsItIs() {
    let layers = Layers(.float64)
    let double = { (y: Tensor) in y.copy(from: y * 2) }
    // Only the convolution's own gradients: the normalisation does not know of the change.
    let found = layers.gradients(keeps: false, before: double).suffix(1)
    expectEqual(Array(found), layers.gradients(keeps: true, before: double).suffix(1))
  }

  @Test func anActivationOutlivesItsGraphWhereNoneIsRecorded() {
    let layers = Layers(.float64)
    let input = layers.x.clone()
    input.requiresGrad = true
    let activation = layers.norm.batchNormReLU(input)
    activation.sum().backward()
    let expected = withNoGrad { layers.convolution(activation.detached()) }
    #expect(distance(withNoGrad { layers.convolution(activation) }, expected) == 0)
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

  /// Whether the system refuses what it can never give; without that the test would be killed.
  private static let refusesMemory =
    (try? String(contentsOfFile: "/proc/sys/vm/overcommit_memory", encoding: .utf8))?.first == "0"

  @Test(.enabled(if: Self.refusesMemory)) func moreMemoryThanThereIsRemainsAnError() throws {
    Runtime.keepFreedMemory()
    let count = 4 * Int(ProcessInfo.processInfo.physicalMemory)  // of 4 bytes each
    let error = try #require(throws: TorchError.self) {
      try withTorchErrors { _ = Tensor.zeros([count], dtype: .float32) }
    }
    #expect(error.kind == .outOfMemory)
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
