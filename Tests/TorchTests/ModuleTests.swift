import Testing
import Torch

private class Base: Module {
  let firstScale = Parameter(.ones([2]))
  let stem: Linear

  init(using generator: Generator) { stem = Linear(2, 2, using: generator) }
}

private final class Derived: Base {
  let blocks: [[Module]]
  let shortcut: Module?
  let missing: Module?
  let meanOfX2 = Buffer(.zeros([1]))
  let sizes = [3, 4]  // neither a module nor a tensor
  let head: Sequential

  override init(using generator: Generator) {
    blocks = [[BatchNorm2d(1)], [Linear(1, 1, bias: false, using: generator), ReLU()]]
    shortcut = Linear(1, 3, bias: false, using: generator)
    missing = nil
    head = Sequential(ReLU(), Linear(2, 1, using: generator), Sequential(Linear(1, 1, using: generator)))
    super.init(using: generator)
  }
}

/// Two networks with one stem.
private final class Shared: Module {
  let first: Sequential
  let second: Sequential

  init(using generator: Generator) {
    let stem = Sequential(Linear(2, 2, using: generator), BatchNorm1d(2, affine: false))
    first = Sequential(stem, Linear(2, 1, using: generator))
    second = Sequential(stem, Linear(2, 3, using: generator))
  }
}

private final class Forwards: Module {
  let weight = Parameter(.full(1, [2]))
  let bias = Parameter(.full(2, [3]))
}

private final class Backwards: Module {
  let bias = Parameter(.full(20, [3], dtype: .float64))
  let weight = Parameter(.full(10, [2], dtype: .float64))
}

@Suite struct Modules {
  @Test func theStateIsNamedAndOrderedAsAStateDict() {
    let module = Derived(using: Generator(seed: 1))
    let expected: [(String, [Int])] = [
      // The superclass's properties first, then in the order of declaration.
      ("first_scale", [2]),
      ("stem.weight", [2, 2]), ("stem.bias", [2]),
      ("blocks.0.0.weight", [1]), ("blocks.0.0.bias", [1]), ("blocks.0.0.running_mean", [1]),
      ("blocks.0.0.running_var", [1]), ("blocks.0.0.num_batches_tracked", []),
      ("blocks.1.0.weight", [1, 1]),
      ("shortcut.weight", [3, 1]),
      ("mean_of_x2", [1]),
      ("head.1.weight", [1, 2]), ("head.1.bias", [1]), ("head.2.0.weight", [1, 1]), ("head.2.0.bias", [1]),
    ]
    #expect(module.state.map(\.name) == expected.map(\.0))
    #expect(module.state.map(\.tensor.shape) == expected.map(\.1))
    #expect(
      module.state.filter { $0.kind == .buffer }.map(\.name)
        == ["running_mean", "running_var", "num_batches_tracked"].map { "blocks.0.0.\($0)" } + ["mean_of_x2"])
    #expect(module.parameters.count == 11 && module.buffers.count == 4)
    #expect(
      module.parameters.allSatisfy { $0.requiresGrad } && module.buffers.allSatisfy { !$0.requiresGrad })
    #expect(module.namedParameters.map(\.name).first == "first_scale")
  }

  /// As PyTorch's `named_parameters`.
  @Test func aTensorOfSeveralModulesIsListedOnceByItsFirstName() {
    let module = Shared(using: Generator(seed: 1))
    #expect(
      module.state.map(\.name) == [
        "first.0.0.weight", "first.0.0.bias", "first.0.1.running_mean", "first.0.1.running_var",
        "first.0.1.num_batches_tracked", "first.1.weight", "first.1.bias", "second.1.weight", "second.1.bias",
      ])
    #expect(module.second.state.map(\.name).first == "0.0.weight")
    #expect(module.modules.count { $0 is BatchNorm1d } == 1)
    module.train(false)
    #expect(module.modules.allSatisfy { !$0.isTraining })
  }

  @Test func theModeReachesEveryChild() {
    let inner = BatchNorm2d(1)
    let module = Sequential(ReLU(), Sequential(inner))
    #expect(inner.isTraining)
    module.train(false)
    #expect(!module.isTraining && !inner.isTraining)
    module.train()
    #expect(module.isTraining && inner.isTraining)
  }

  @Test func stateIsCopiedByNameIntoTheTensorsThatAreThere() {
    let module = Forwards()
    let weight = module.weight.tensor
    module.copyState(from: Backwards())
    #expect(module.weight.tensor === weight)
    #expect(weight.dtype == .float32 && weight.requiresGrad)
    #expect(weight.array() == [10, 10] as [Float])
    #expect(module.bias.tensor.array() == [20, 20, 20] as [Float])
  }

  @Test func convertingAndMovingKeepTheTensors() {
    let module = Sequential(Conv2d(3, 2, kernel: 3, using: Generator(seed: 1)), BatchNorm2d(2))
    let before = module.state.map(\.tensor)
    let values = before.map { $0.array(of: Double.self) }
    module.convert(to: .float64)
    module.move(to: .cpu, layout: .channelsLast)
    let after = module.state.map(\.tensor)
    #expect(before.count == 6 && after.count == 6)
    #expect(zip(before, after).allSatisfy { $0 === $1 })
    #expect(after.map(\.dtype) == Array(repeating: .float64, count: 5) + [.int64])
    #expect(after.map(\.requiresGrad) == [true, true, true, false, false, false])
    #expect(after[0].isContiguous(.channelsLast))
    #expect(after.map { $0.array(of: Double.self) } == values)
    module.move(to: .cpu, layout: .contiguous)
    #expect(after[0].isContiguous())
    #expect(after.map { $0.array(of: Double.self) } == values)
  }
}
