import Testing
@testable import Torch

@Suite struct RecordedWorkAndStreams {
  private struct Sum {
    let value: Tensor
    let gradient: Tensor
  }

  /// What changes comes from tensors; the results lie where they lay, whoever holds them.
  @Test func repeatedWorkTakesItsInputsAnewAndLeavesItsResultsInPlace() throws {
    let (x, y) = (Tensor([1.0, 2]), Tensor([3.0, 4]))
    x.requiresGrad = true
    let work = try CapturedGraph(by: .repetition, tensors: { (sum: Sum) in [sum.value, sum.gradient] }) {
      let value = (x * y).sum()
      value.backward()
      defer { x.clearGradient() }
      return Sum(value: value.detached(), gradient: x.gradient ?? .zeros([0]))
    }
    let held = work.replay()
    #expect(held.value.item() == 11 && held.gradient.array(of: Double.self) == [3, 4])
    y.copy(from: Tensor([5.0, 6]))
    withNoGrad { x.copy(from: Tensor([1.0, 1])) }
    _ = work.replay()
    #expect(held.value.item() == 11 && held.gradient.array(of: Double.self) == [5, 6])
    y.copy(from: Tensor([7.0, 6]))
    _ = work.replay()
    #expect(held.value.item() == 13)
  }

  @Test(.enabled(if: !hasGPU, "there is a GPU"))
  func aCUDAGraphIsRefusedWithoutItsLibrary() {
    var isAsked = false
    let error = #expect(throws: TorchError.self) {
      try CapturedGraph(by: .cudaGraph, tensors: { [$0] }) {
        isAsked = true
        return Tensor.zeros([1])
      }
    }
    #expect(!isAsked)
    #expect(
      error?.message == "NCCL and CUDA graphs need this program's library for CUDA, which is not loaded")
  }

  @Test func aGradientCanBePutBack() throws {
    let x = Tensor([1.0, 2])
    x.requiresGrad = true
    x.gradient = Tensor([3.0, 4])
    x.sum().backward()
    #expect(x.gradient?.array(of: Double.self) == [4, 5])
    x.gradient = nil
    #expect(x.gradient == nil)
  }

  @Test func aCPUsStreamsLeaveItsWorkAsItIs() throws {
    try withTorchErrors {
      let stream = DeviceStream(on: .cpu, isUrgent: true)
      stream.wait(for: .current(on: .cpu))
      let x = stream.run(on: .cpu) { Tensor([1.0, 2]) * 2 }
      stream.recordStream(x)
      stream.wait()
      stream.wait(timeout: .milliseconds(1))
      #expect(x.array(of: Double.self) == [2, 4])
    }
  }
}
