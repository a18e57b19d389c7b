import Foundation
import TestSupport
import Testing
import Torch

@Suite struct Distributed {
  @Test func theSumOfAllRanksReachesEveryRank() async throws {
    let sums = try await withRanks(3) { group in
      let x = Tensor([Double(group.rank.number + 1), 10])
      group.allReduce(x)
      return x.array(of: Double.self)
    }
    #expect(sums == [[6, 30], [6, 30], [6, 30]])
  }

  @Test func theRootsValuesReachEveryRank() async throws {
    let values = try await withRanks(3) { group in
      let x = formula(salt: group.rank.number, shape: [2, 3, 4, 4]).contiguous(.channelsLast)
      group.broadcast(x, from: 1)
      return distance(x, formula(salt: 1, shape: [2, 3, 4, 4]))
    }
    #expect(values == [0, 0, 0])
  }

  @Test(arguments: [MemoryLayout4D.contiguous, .channelsLast])
  func gatheredRowsStandInTheOrderOfTheRanks(layout: MemoryLayout4D) async throws {
    let shape = [2, 3, 5, 4]
    let distances = try await withRanks(3) { group in
      let all = group.allGather(formula(salt: group.rank.number, shape: shape).contiguous(layout))
      let expected = Tensor.concatenated((0..<3).map { formula(salt: $0, shape: shape) })
      return [distance(all, expected), all.isContiguous(layout) ? 0 : 1]
    }
    #expect(distances == [[0, 0], [0, 0], [0, 0]])
  }

  @Test func rowsAreOnTheirWayWhileOtherOperationsRun() async throws {
    let rows = try await withRanks(2) { group in
      let own = Double(group.rank.number + 1)
      let first = group.allGatherAsync(Tensor([own])), second = group.allGatherAsync(Tensor([10 * own]))
      let sum = Tensor([own])
      group.allReduce(sum)
      return [second, first, { sum }].flatMap { $0().array(of: Double.self) }
    }
    #expect(rows == [[10, 20, 1, 2, 3], [10, 20, 1, 2, 3]])
  }

  /// Rank r's loss is Σ wᵣ·all; the gradient of rank s's x is the sum over r of wᵣ's rows that stand for it.
  @Test(arguments: [MemoryLayout4D.contiguous, .channelsLast])
  func theGradientOfAGatheredBatchComesFromAllRanks(layout: MemoryLayout4D) async throws {
    let errors = try await withRanks(2) { group in
      let x = formula(salt: 50 + group.rank.number, shape: [2, 3, 5, 4]).contiguous(layout)
      x.requiresGrad = true
      let weights = (0..<2).map { formula(salt: 60 + $0, shape: [4, 3, 5, 4]) }
      (group.allGather(x) * weights[group.rank.number]).sum().backward()
      return distance(x.gradient, group.localShard(weights[0] + weights[1]))
    }
    #expect(errors == [0, 0])
  }

  /// In float64 the order of summation is all that differs: 1e-12.
  @Test func twoHalvesNormaliseTogetherAsOneBatchDoes() async throws {
    let shape = [8, 3, 5, 5]
    let errors = try await withRanks(2) { group in
      func run(_ x: Tensor, _ dy: Tensor, _ ranks: ProcessGroup?) -> (
        y: Tensor, dx: Tensor?, layer: BatchNorm2d
      ) {
        let layer = BatchNorm2d(3)
        layer.convert(to: .float64)
        layer.ranks = ranks
        withNoGrad { layer.weight.tensor.copy(from: formula(salt: 3, shape: [3])) }
        x.requiresGrad = true
        let y = layer.forward(x)
        (y * dy).sum().backward()
        return (y, x.gradient, layer)
      }
      let x = formula(salt: 1, shape: shape) * 3 + 100, dy = formula(salt: 2, shape: shape)
      let whole = run(x, dy, nil)
      let half = run(group.localShard(x.detached()).contiguous(.channelsLast), group.localShard(dy), group)
      let weightGradient = try #require(half.layer.weight.tensor.gradient).detached()
      group.allReduce(weightGradient)
      return [
        distance(half.y.detached(), group.localShard(whole.y.detached())),
        distance(half.dx, whole.dx.map(group.localShard)),
        distance(weightGradient, whole.layer.weight.tensor.gradient),
        distance(half.layer.runningMean.tensor, whole.layer.runningMean.tensor),
        distance(half.layer.runningVar.tensor, whole.layer.runningVar.tensor),
      ]
    }
    #expect(errors.count == 2)
    for error in errors.joined() { #expect(error < 1e-11) }
  }

  @Test func backwardLeavesTheMeanGradientOfTheRanks() async throws {
    let errors = try await withRanks(2) { group in
      let layers = [Linear(4, 300, using: Generator(seed: 7)), Linear(300, 2, using: Generator(seed: 8))]
      let parameters = layers.flatMap(\.parameters)
      let reducer = try #require(try group.reducer(of: parameters))
      func loss(_ salt: Int) -> Tensor {
        let x = formula(salt: salt, shape: [3, 4]).to(.float32)
        let y = layers[1].forward(layers[0].forward(x))
        return (y * y).mean()
      }
      var worst: [Double] = []
      for step in 0..<3 {
        for parameter in parameters { parameter.clearGradient() }
        ((loss(step) + loss(100 + step)) / 2).backward()
        let expected = parameters.map { $0.gradient?.array(of: Float.self) ?? [] }
        for parameter in parameters { parameter.clearGradient() }
        reducer.prepare()
        loss(100 * group.rank.number + step).backward()
        let got = parameters.map { $0.gradient?.array(of: Float.self) ?? [] }
        for (a, b) in zip(expected, got) { worst.append(distance(a.map(Double.init), b.map(Double.init))) }
      }
      return worst
    }
    #expect(errors.map(\.count) == [12, 12])
    // float32 sums of a few hundred terms near 0.1, in another order
    for error in errors.joined() { #expect(error < 1e-6) }
  }

  @Test func aRankThatDoesNotComeIsAnErrorAfterTheTimeout() async throws {
    // Long enough to meet while all tests begin at once: the timeout is that of the meeting too.
    let ended = DispatchSemaphore(value: 0)
    let outcomes = try await withRanks(2, timeout: .seconds(40)) { group in
      guard group.rank.number == 0 else {
        _ = ended.wait(timeout: .now() + 120)
        return "late"
      }
      defer { ended.signal() }
      do {
        try withTorchErrors { group.allReduce(.ones([3])) }
        return "reduced"
      } catch { return "\(error)".contains("Timed out") ? "timed out" : "\(error)" }
    }
    #expect(outcomes == ["timed out", "late"])
  }

  @Test func severalKeysAreReadAtOnce() throws {
    let server = try KeyValueStore(
      host: "127.0.0.1", port: 0, serves: true, prefix: "p", timeout: .seconds(60))
    let values = ["a": "1 2", "b": "", "c": String(repeating: "ü", count: 32)]
    for (key, value) in values { try server.set(key, value) }
    #expect(try server.values(of: ["c", "a", "b", "a"]) == [values["c"], "1 2", "", "1 2"])
    #expect(try server.values(of: []) == [])
  }

  @Test func theFirstToSettleAKeyIsHeardByAll() throws {
    let server = try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
    let other = try KeyValueStore(host: "127.0.0.1", port: server.port, serves: false, timeout: .seconds(60))
    #expect(try other.valueNow(of: "verdict") == nil)
    #expect(try server.compareAndSet("verdict", "rank 2 – died") == "rank 2 – died")
    #expect(try other.compareAndSet("verdict", "rank 1 died") == "rank 2 – died")
    #expect(try other.valueNow(of: "verdict") == "rank 2 – died")
  }
}
