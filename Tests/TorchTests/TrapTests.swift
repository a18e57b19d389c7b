import Torch

#if compiler(>=6.2)  // earlier compilers have no exit tests
  import Foundation
  import Testing
  import Torch

  private final class WithBareTensor: Module {
    let scale = Tensor.ones([1])
  }

  private final class WithBareTensors: Module {
    let scales: [Tensor]? = [.ones([1])]
  }

  private final class OtherName: Module {
    let gain = Parameter(.ones([2]))
    let bias = Parameter(.ones([2]))
  }

  private final class OtherShape: Module {
    let weight = Parameter(.ones([3]))
    let bias = Parameter(.ones([2]))
  }

  private final class WeightAndBias: Module {
    let weight = Parameter(.ones([2]))
    let bias = Parameter(.ones([2]))
  }

  /// A caller's bug ends the process, with both values in the message.
  @Suite struct Traps {
    private func expect(_ text: String, in result: ExitTest.Result) {
      let said = String(decoding: result.standardErrorContent, as: UTF8.self)
      #expect(said.contains(text), "standard error: \(said)")
    }

    @Test func aRefusedOperationOutsideAScope() async throws {
      let result = try await #require(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        _ = Tensor.ones([2, 3]).matmul(.ones([2, 3]))
      }
      expect("LibTorch refused an operation: mat1 and mat2 shapes cannot be multiplied", in: result)
    }

    @Test func aBareTensorInAModule() async throws {
      let one = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = WithBareTensor().state
      }
      expect("WithBareTensor.scale is a bare Tensor: hold it as a Parameter or a Buffer", in: one)
      let several = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = WithBareTensors().state
      }
      expect("WithBareTensors.scales.0 is a bare Tensor: hold it as a Parameter or a Buffer", in: several)
    }

    @Test func stateThatDoesNotPair() async throws {
      let name = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        WeightAndBias().copyState(from: OtherName())
      }
      expect("OtherName has no tensor named weight", in: name)
      let shape = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        WeightAndBias().copyState(from: OtherShape())
      }
      expect("weight: shape [3], expected [2]", in: shape)
    }

    @Test func valuesThatDoNotFillTheShape() async throws {
      let result = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Tensor([1.0, 2, 3], shape: [2, 2])
      }
      expect("3 values do not fill the shape [2, 2]", in: result)
    }

    @Test func aStepWithoutAGradient() async throws {
      let result = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        SGD(Linear(2, 3, using: Generator(seed: 1)).parameters).step(learningRate: 0.1)
      }
      expect("a parameter of shape [3, 2] has no gradient: run backward() first", in: result)
    }

    /// In a process of its own, because other tests' tensors come and go. Handles are counted, and the memory
    /// that the process holds: 100 steps that each kept their 3 MB of activations would hold 300 MB.
    @Test func aHundredTrainingStepsLeaveNothingBehind() async {
      await #expect(processExitsWith: .success) {
        let network = SmallNetwork(using: Generator(seed: 1))
        network.move(to: .cpu)
        let optimizer = SGD(network.parameters)
        let x = Tensor.normal([32, 3, 32, 32], using: Generator(seed: 2))
        let labels = Tensor.zeros([32], dtype: .int64)
        func steps(_ count: Int) {
          for _ in 0..<count {
            crossEntropy(network(x), labels).backward()
            optimizer.step(learningRate: 0.01)
            _ = try? withTorchErrors { x.matmul(labels) + 1 }
          }
        }
        steps(5)
        let handles = Tensor.liveCount
        let memory = residentMegabytes()
        steps(100)
        #expect(Tensor.liveCount == handles)
        #expect(residentMegabytes() - memory < 100)
      }
    }
  }

  /// What Linux says this process holds; 0 elsewhere.
  private func residentMegabytes() -> Int {
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
      .split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return (pages ?? 0) * 4096 >> 20
  }
#endif
