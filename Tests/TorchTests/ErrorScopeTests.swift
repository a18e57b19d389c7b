import Foundation
import Synchronization
import Testing
import Torch

@Suite struct ErrorScopes {
  struct BodyError: Error {}

  /// 2×3 times 2×3: the inner sizes 3 and 2 do not match.
  static func refusedProduct() -> Tensor { Tensor.ones([2, 3]).matmul(.ones([2, 3])) }

  private func error<Result>(_ body: () throws -> Result) -> TorchError? {
    do {
      _ = try withTorchErrors(body)
      return nil
    } catch {
      return error as? TorchError
    }
  }

  @Test func aRefusedOperationIsThrownWithLibTorchsWords() throws {
    let error = try #require(error { ErrorScopes.refusedProduct() })
    #expect(error.kind == .refused)
    #expect(error.message == "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)")
    #expect(error.description == "LibTorch refused an operation: \(error.message)")
  }

  @Test func anElementTypeWithoutAKernelIsToldApart() throws {
    let error = try #require(
      error { crossEntropy(.zeros([2, 3], dtype: .int64), .zeros([2], dtype: .int64)) })
    #expect(error.kind == .notImplemented)
    #expect(error.message.contains("not implemented for 'Long'"))
    #expect(error.description.hasPrefix("LibTorch has no kernel for this on the device: "))
  }

  @Test func memoryThatRunsOutOnTheCPUIsToldApart() throws {
    // 4 PiB: more than a process can address.
    let error = try #require(error { Tensor.zeros([1 << 50]) })
    #expect(error.kind == .outOfMemory)
    #expect(error.description.hasPrefix("out of memory: "))
    #expect(error.description.contains("A smaller batch or smaller images need less."))
  }

  @Test func whatFollowsARefusedOperationNeitherTrapsNorHidesItsCause() throws {
    let error = try #require(
      error {
        let bad = ErrorScopes.refusedProduct()
        #expect(!bad.isDefined)
        #expect(bad.shape == [] && bad.strides == [] && bad.rank == 0)
        #expect(bad.dtype == .float32 && bad.device == .cpu && !bad.requiresGrad)
        #expect(bad.array(of: Float.self) == [])
        #expect(bad.item().isNaN)
        #expect(!((bad + 1) * bad).sum().isDefined)
        #expect(!bad.transposed.to(.float64).contiguous(.channelsLast).isDefined)
        #expect(!Tensor.concatenated([bad, .ones([1])]).isDefined)
        #expect(!bad.topK(1).indices.isDefined)
        #expect(!bad.isAllFinite())
        #expect(bad.gradient == nil)
        bad.expect([3, nil], "a shape that does not matter any more")
        bad.fill(1)
        Tensor.ones([1]).copy(from: bad)
        bad.requiresGrad = true
        let norm = BatchNorm2d(3)
        _ = norm.batchNormReLU(bad)
        norm.train(false)
        _ = relu(globalAveragePool2d(norm(bad)))
        crossEntropy(bad, bad).backward()
      })
    #expect(error.message == "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)")
  }

  @Test func aFailureReplacesTheErrorThatTheBodyThrewAfterIt() {
    let found = error {
      _ = ErrorScopes.refusedProduct()
      throw BodyError()
    }
    #expect(found?.kind == .refused)
    #expect(throws: BodyError.self) { try withTorchErrors { throw BodyError() } }
  }

  @Test func aScopeStartsClean() throws {
    #expect(error { ErrorScopes.refusedProduct() } != nil)
    #expect(try withTorchErrors { Tensor.ones([2]).sum().item() } == 2)
  }

  @Test func anInnerScopesFailureEndsThere() {
    let outer = error {
      let inner = error { ErrorScopes.refusedProduct() }
      #expect(inner?.kind == .refused)
      return Tensor.ones([2]) + 1
    }
    #expect(outer == nil)
  }

  @Test func anOuterScopesFailureIsThrownByBoth() {
    var inner: TorchError?
    let outer = error {
      let bad = ErrorScopes.refusedProduct()
      inner = error { crossEntropy(bad, bad) }
    }
    #expect(inner?.message == "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)")
    #expect(outer == inner)
  }

  @Test func anInnerScopesRethrownFailureLeavesTheOuterOne() {
    let outer = error { try withTorchErrors { ErrorScopes.refusedProduct() } }
    #expect(outer?.kind == .refused)
    #expect(error { Tensor.ones([1]) } == nil)
  }

  @Test func threadsHaveScopesOfTheirOwn() {
    let thrown = Mutex<String?>(nil)
    let done = DispatchSemaphore(value: 0)
    let here = error {
      let other = Thread {
        do { _ = try withTorchErrors { ErrorScopes.refusedProduct() } } catch {
          thrown.withLock { $0 = "\(error)" }
        }
        done.signal()
      }
      other.start()
      done.wait()
      return Tensor.ones([2]) + 1
    }
    #expect(here == nil)
    #expect(thrown.withLock { $0 }?.hasPrefix("LibTorch refused an operation: mat1 and mat2") == true)
  }

  @Test func anOptimizerStepAfterAFailureMovesNothing() {
    let weight = Tensor([1.0, 2], shape: [1, 2])
    weight.requiresGrad = true
    let optimizer = SGD([weight])
    let found = error {
      (weight * 3).sum().backward()  // a whole gradient, of a step that then fails
      ErrorScopes.refusedProduct().sum().backward()
      optimizer.step(learningRate: 0.1)
    }
    #expect(found?.kind == .refused)
    #expect(weight.array() == [1.0, 2])
    #expect(weight.gradient == nil)
    #expect(optimizer.steps == 0)
  }
}
