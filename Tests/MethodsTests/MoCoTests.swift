import Models
import TestSupport
import Testing
import Torch
@testable import Methods

@Suite struct MoCoSteps {
  private let x1 = formula(salt: 11, shape: [8, 3, 8, 8])
  private let x2 = formula(salt: 12, shape: [8, 3, 8, 8])

  /// Always the same weights, of a ResNet-8 with keys of 16 numbers, and a queue of 20.
  private func method(
    symmetric: Bool = false, bnGroups: Int = 1, seed: UInt64 = 1, dtype: DType = .float64
  ) -> MoCo {
    let generator = Generator(seed: 3)
    let settings = MoCo.Settings(temperature: 0.2, bnGroups: bnGroups, symmetric: symmetric)
    let queue = KeyQueue(capacity: 20, dimension: 16, dtype: dtype, using: generator)
    return MoCo(settings, queue: queue, seed: seed) {
      let network = EncoderSpec(arch: .resnet8, head: .linear(outputs: 16))
        .makeEncoder(bnGroups: bnGroups, using: generator)
      network.convert(to: dtype)
      return network
    }
  }

  private func values(_ tensor: Tensor) -> [Double] { tensor.array() }

  @Test func oneDirectionGivesOneKeyAnImage() {
    let output = method()(x1, x2, step: 0)
    #expect(output.loss.shape == [])
    #expect(output.logits.shape == [8, 21])
    #expect(output.keys.shape == [8, 16])
    #expect(output.keys.norm(dim: 1).array(of: Double.self).allSatisfy { abs($0 - 1) < 1e-14 })
  }

  @Test func onlyTheQueryEncoderGetsGradients() {
    let method = method(symmetric: true)
    let output = method(x1, x2, step: 0)
    #expect(!output.keys.requiresGrad)
    output.loss.backward()
    #expect(method.encoderQ.parameters.allSatisfy { $0.gradient != nil })
    #expect(method.encoderK.parametersThatFollow.count == method.encoderQ.parameters.count)
    #expect(method.encoderK.parametersThatFollow.allSatisfy { $0.gradient == nil })
    #expect(method.queue.keys.gradient == nil)
  }

  /// Both encoders start equal, so two methods of one direction each give the two halves.
  @Test func aSymmetricStepIsBothDirectionsAndKeepsTheFirstViewsKeysFirst() {
    let forth = method()(x1, x2, step: 0)  // keys of the second view
    let back = method()(x2, x1, step: 0)  // keys of the first
    let both = method(symmetric: true)(x1, x2, step: 0)
    #expect(abs(both.loss.item() - (forth.loss.item() + back.loss.item())) < 1e-12)
    #expect(both.keys.shape == [16, 16])
    #expect(values(both.keys.narrowed(0..<8)) == values(back.keys))
    #expect(values(both.keys.narrowed(8..<16)) == values(forth.keys))
    #expect(values(both.logits) == values(forth.logits))
  }

  @Test func theKeyEncoderFollowsBeforeItEncodes() {
    let method = method()
    withNoGrad { for parameter in method.encoderQ.parameters { parameter.add(.ones([], dtype: .float64)) } }
    let before = method.encoderK.parametersThatFollow.map(values)
    let targets = method.encoderQ.parameters.map(values)
    _ = method(x1, x2, step: 0)
    let after = method.encoderK.parametersThatFollow.map(values)
    #expect(before.count == targets.count && after.count == targets.count)
    for ((old, target), new) in zip(zip(before, targets), after) {
      // m = 0.9; the weights are about 1.
      for i in new.indices { #expect(abs(new[i] - (0.9 * old[i] + 0.1 * target[i])) < 1e-14) }
    }
  }

  @Test func theQueueMovesOnlyWhenKeysAreEnqueued() {
    let method = method()
    let before = values(method.queue.keys)
    let output = method(x1, x2, step: 0)
    output.loss.backward()
    #expect(values(method.queue.keys) == before)
    method.queue.enqueue(output.keys)
    #expect(method.queue.pointer == 8)
    #expect(values(method.queue.keys.narrowed(0..<8)) == values(output.keys))
    #expect(values(method.queue.keys.narrowed(8..<20)) == Array(before[(8 * 16)...]))
  }

  /// With groups, a key's value depends on who shares its group, and so on the order.
  @Test func keysAreShuffledWhereNormalisationHasGroups() {
    func keys(groups: Int, step: Int, shuffles: [KeyShuffle]? = nil) -> [Double] {
      values(method(bnGroups: groups)(x1, x2, step: step, shuffles: shuffles).keys)
    }
    let drawn = KeyShuffle.drawn(seed: 1, step: 4, pass: 0, count: 8, on: .cpu)
    #expect(keys(groups: 4, step: 4) == keys(groups: 4, step: 0, shuffles: [drawn]))
    #expect(keys(groups: 4, step: 4) != keys(groups: 4, step: 0, shuffles: []))
    #expect(keys(groups: 4, step: 4) != keys(groups: 4, step: 5))
  }

  @Test func withoutGroupsNoShuffleIsDrawn() {
    let plain = values(method()(x1, x2, step: 0, shuffles: []).keys)
    #expect(values(method()(x1, x2, step: 0).keys) == plain)
    #expect(values(method()(x1, x2, step: 5).keys) == plain)
  }

  @Test func aSymmetricStepDrawsAShuffleForEachPass() {
    func keys(_ shuffles: [KeyShuffle]?) -> [Double] {
      values(method(symmetric: true, bnGroups: 4)(x1, x2, step: 2, shuffles: shuffles).keys)
    }
    let drawn = (0..<2).map { KeyShuffle.drawn(seed: 1, step: 2, pass: $0, count: 8, on: .cpu) }
    #expect(keys(nil) == keys(drawn))
    #expect(keys(nil) != keys([drawn[0]]))
  }

  @Test func theStateHasBothEncodersAndTheQueue() {
    let method = method()
    let names = method.state.map(\.name)
    let encoder = method.encoderQ.state.map(\.name)
    #expect(
      names == encoder.map { "encoder_q.\($0)" } + encoder.map { "encoder_k.\($0)" } + ["queue"])
    #expect(Set(names).count == names.count)
    #expect(method.state.last?.tensor === method.queue.keys)
    #expect(names.first == "encoder_q.conv1.weight")
  }

  /// In float32, on one thread: not one bit may differ.
  @Test func theSameSeedsGiveTheSameRun() {
    let threads = Runtime.threads
    Runtime.threads = 1
    defer { Runtime.threads = threads }

    func run(_ seed: UInt64) -> (losses: [Double], state: [[Double]]) {
      let method = method(symmetric: true, bnGroups: 2, seed: seed, dtype: .float32)
      let optimizer = SGD(method.encoderQ.parameters, weightDecay: 5e-4)
      let losses = (0..<4).map { step in
        let output = method(
          formula(salt: 50 + step, shape: [8, 3, 8, 8]).to(.float32),
          formula(salt: 60 + step, shape: [8, 3, 8, 8]).to(.float32), step: step)
        output.loss.backward()
        optimizer.step(learningRate: 0.06)
        method.queue.enqueue(output.keys)
        return output.loss.item()
      }
      return (losses, method.state.map { values($0.tensor) })
    }
    let first = run(1), again = run(1), other = run(2)
    #expect(first.losses == again.losses)
    #expect(first.state == again.state)
    #expect(first.losses != other.losses)
  }
}
