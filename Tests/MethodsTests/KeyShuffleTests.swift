import TestSupport
import Testing
import Torch
@testable import Methods

@Suite struct KeyShuffles {
  let x = Tensor([0.0, 10, 20, 30], shape: [4, 1])

  @Test func samplesMoveToTheirPlacesAndBack() {
    let shuffle = KeyShuffle([2, 0, 3, 1])
    #expect(shuffle.shuffled(x).array() == [20.0, 0, 30, 10])
    #expect(shuffle.restored(shuffle.shuffled(x)).array() == [0.0, 10, 20, 30])
    #expect(shuffle.shuffled(shuffle.restored(x)).array() == [0.0, 10, 20, 30])
  }

  @Test(arguments: [1, 2, 31, 256])
  func aDrawnShuffleIsUndone(count: Int) {
    let batch = formula(salt: 1, shape: [count, 2])
    let shuffle = KeyShuffle.drawn(seed: 5, step: 3, pass: 1, count: count, on: .cpu)
    let values = batch.array(of: Double.self)
    #expect(shuffle.restored(shuffle.shuffled(batch)).array() == values)
    #expect(shuffle.order.array(of: Int.self).sorted() == Array(0..<count))
  }

  @Test func everyStepAndPassHasItsOwnOrderAndItAlwaysIsTheSame() {
    func order(_ seed: UInt64, _ step: Int, _ pass: Int) -> [Int] {
      KeyShuffle.drawn(seed: seed, step: step, pass: pass, count: 64, on: .cpu).order.array()
    }
    let orders = [order(1, 0, 0), order(1, 0, 1), order(1, 1, 0), order(2, 0, 0)]
    #expect(Set(orders).count == 4)
    #expect(order(1, 1, 0) == orders[2])
  }

  #if compiler(>=6.2)  // earlier compilers have no exit tests
    @Test func whatIsNoPermutationTraps() async throws {
      func expect(_ text: String, in result: ExitTest.Result) {
        let said = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(said.contains(text), "standard error: \(said)")
      }
      let twice = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = KeyShuffle([0, 2, 2])
      }
      expect("[0, 2, 2] is no permutation of 0 ..< 3", in: twice)
      let outside = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = KeyShuffle([1, 2])
      }
      expect("[1, 2] is no permutation of 0 ..< 2", in: outside)
    }
  #endif
}
