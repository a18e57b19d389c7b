import TestSupport
import Testing
@testable import Torch

/// What only a GPU shows. Elsewhere these are skipped, and the test run says so.
@Suite(.serialized, .enabled(if: hasGPU, "there is no GPU here"))
struct OnAGPU {
  private let gpu = Device.cuda(0)

  /// The fixture of ``Training`` with everything on the GPU. cuDNN adds in another order, and in float64 ten steps amplify
  /// 1e-15 to no more than 1e-9.
  @Test func tenStepsFollowPyTorch() throws {
    let reference = try TrainingSteps.load()
    let made = try withTorchErrors { try reference.train(on: gpu, layout: .channelsLast) }
    #expect(made.losses.count == 10)
    #expect(distance(made.losses, reference.losses) < 1e-8)
  }

  /// Equal operations on equal numbers, asked for one by one or as a graph: equal but for kernels that add in an order of
  /// their own.
  @Test(.enabled(if: CUDALibrary.loadError == nil, "\(CUDALibrary.loadError?.description ?? "")"))
  func aGraphIsTheWorkItWasRecordedFrom() throws {
    let stream = DeviceStream(on: gpu)
    try withTorchErrors {
      try stream.run(on: gpu) {
        let weight = formula(salt: 1, shape: [32, 16]).to(.float32).to(gpu)
        let x = Tensor.zeros([64, 32], on: gpu)
        weight.requiresGrad = true
        func gradient() -> Tensor {
          weight.clearGradient()
          x.matmul(weight).pow(2).mean().backward()
          return weight.gradient ?? .zeros([1])
        }
        _ = gradient()  // libraries choose their kernels
        let work = try CapturedGraph(by: .cudaGraph, tensors: { [$0] }, gradient)
        for step in 0..<3 {
          x.copy(from: formula(salt: 10 + step, shape: [64, 32]))
          let replayed = work.replay().clone()
          #expect(distance(replayed.to(.cpu), gradient().to(.cpu)) < 1e-6)
        }
      }
    }
  }

  @Test func whatASideStreamMadeIsThereWhenItHasBeenWaitedFor() throws {
    try withTorchErrors {
      let memory = PinnedBuffer(1 << 20, for: gpu)
      for i in memory.bytes.indices { memory.bytes[i] = UInt8(truncatingIfNeeded: i) }
      let aside = DeviceStream(on: gpu, isUrgent: true)
      aside.wait(for: .current(on: gpu))
      let sum = Tensor.withBorrowed(memory.bytes, dtype: .uint8, shape: [1 << 20]) { bytes in
        aside.run(on: gpu) { bytes.to(gpu, asynchronously: true).to(.float64).sum() }
      }
      aside.wait(timeout: .seconds(10))
      DeviceStream.current(on: gpu).recordStream(sum)
      #expect(sum.item() == Double((1 << 12) * 255 * 128))
    }
  }
}
