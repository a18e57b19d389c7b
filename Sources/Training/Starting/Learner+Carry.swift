import Data
import Files
import Foundation
import Methods
import Models
import Torch
import Weights

/// The state that a run carries over from another one, and the changes.
struct CarriedRun {
  /// Of the new run.
  var state: TrainingState
  /// Sentences without a full stop: the origin, and every change.
  var notes: [String]
  /// Whether the dictionary's keys stayed behind.
  var fillsQueue: Bool
}

extension Learner {
  /// Goes on from another run's checkpoint, with other settings or on other images where these differ.
  ///
  /// Weights, optimizer, key encoder and dictionary are carried as far as they fit. A part is carried whole, or starts
  /// fresh.
  /// - Parameters:
  ///   - checkpoint: of the other run.
  ///   - config: of the new run.
  ///   - dataset: the new run's images.
  ///   - fingerprint: the images'.
  /// - Throws: `UsageError` for another method or network, and where the checkpoint holds weights only; `RunError` where
  ///   it is not whole.
  func carry(_ checkpoint: Checkpoint, config: RunConfig, dataset: Dataset, fingerprint: UInt32) throws
    -> CarriedRun
  {
    guard let old = checkpoint.state else { throw Learner.weightsOnly(checkpoint.path) }
    let oldConfig = try RunConfig(checkpoint)
    let changes = oldConfig.changes(to: config)
    try refuseOtherNetworks(changes, checkpoint)
    let position: CarriedPosition
    do {
      position = try CarriedPosition(
        of: old, oldConfig, config, images: dataset.count, shards: dataset.shards?.sources.count,
        fingerprint: fingerprint, ranks: context.rank.count)
    } catch let error as RunError {
      throw RunError("\(checkpoint.path): \(error)")
    }
    var plan = CarryingPlan(modelState, checkpoint, headName: config.arch.headName)
    if !position.isOnSameImages { plan.leave("bank") }
    var notes = ["carried from \(checkpoint.path), step \(old.step)"]
    notes += changes.map { "\($0.key) \($0.old) → \($0.new)" }
    if !position.isOnSameImages { notes.append("images: others than there") }
    notes += [position.note].compactMap(\.self) + (try restore(plan, from: checkpoint))
    let (carriesOptimizer, reason) = try restoreOptimizer(plan, from: checkpoint, oldConfig, config)
    if let reason { notes.append(reason) }
    let hasQueue = method.dictionary != nil
    let fillsQueue = hasQueue && plan.fresh.contains("queue")
    let fresh = plan.fresh.filter { !(fillsQueue && $0.hasSuffix("queue")) }
    if !fresh.isEmpty { notes.append("fresh: \(fresh.joined(separator: ", "))") }
    if fillsQueue { notes.append("queue: filled anew with the keys of \(grouped(config.mocoK)) images") }
    var state = TrainingState(
      step: position.step, epoch: position.epoch, batch: position.batch, seed: config.seed,
      queuePointer: hasQueue ? (fillsQueue ? 0 : old.queuePointer) : nil, configHash: try config.hash,
      optimizerSteps: carriesOptimizer ? old.optimizerSteps : 0, lastLoss: old.lastLoss,
      mixing: position.mixing,
      data: fingerprint, kernels: notes.count == 1 ? old.kernels : Kernels.here(on: device))
    state.stepsOfKeys =
      fillsQueue || position.note != nil && isFull(old, oldConfig) ? config.mocoK : old.stepsOfKeys
    try check(state, in: checkpoint)
    restore(state)
    return CarriedRun(state: state, notes: notes, fillsQueue: fillsQueue)
  }

  /// Whether all keys of the old run's queue were learned ones.
  private func isFull(_ state: TrainingState, _ config: RunConfig) -> Bool {
    let steps = Double(state.step) + Double(state.stepsOfKeys)
    return steps * Double(config.batchSize * (config.symmetric ? 2 : 1)) >= Double(config.mocoK)
  }

  private func refuseOtherNetworks(_ changes: [KeyChange], _ checkpoint: Checkpoint) throws {
    let fixed: Set = ["method", "mechanism", "arch", "stem", "heads"]
    let others = changes.filter { fixed.contains($0.key) }
    guard others.isEmpty else {
      let list = others.map { "\($0.key) is \($0.old) there and \($0.new) here" }.joined(separator: "; ")
      throw UsageError(
        "--resume \(checkpoint.path): a run keeps its method and its network (\(list)). Repeat them, or start a new run "
          + "from its weights: --init \(checkpoint.path).")
    }
  }

  /// Copies the parts that are carried. Returns sentences about tensors that changed on the way.
  private func restore(_ plan: CarryingPlan, from checkpoint: Checkpoint) throws -> [String] {
    var notes: [String] = []
    try withTorchErrors {
      try withNoGrad {
        for (name, tensor) in modelState where plan.carries(name) {
          guard let source = checkpoint.model[name] else {
            throw RunError("\(checkpoint.path): the tensor \(name) is missing.")
          }
          if source.shape == tensor.shape {
            tensor.copy(from: source)
          } else if let last = name.split(separator: ".").last.map(String.init),
            let sides = VisionTransformer.sides(of: last, from: source.shape, to: tensor.shape)
          {
            tensor.copy(from: VisionTransformer.resized(positions: source, to: sides.to))
            let grids = "\(sides.from)×\(sides.from) to \(sides.to)×\(sides.to)"
            notes.append(
              "position embedding of \(name.prefix { $0 != "." }): interpolated from \(grids) patches")
          } else {
            throw RunError(
              "\(checkpoint.path): the tensor \(name) has the shape \(source.shape), not \(tensor.shape).")
          }
        }
      }
    }
    return notes
  }

  /// Copies the optimizer's state of the parameters that are carried.
  /// - Returns: whether its steps go on being counted, and if not, why.
  private func restoreOptimizer(
    _ plan: CarryingPlan, from checkpoint: Checkpoint, _ old: RunConfig, _ new: RunConfig
  ) throws -> (carries: Bool, reason: String?) {
    guard old.optimizer == new.optimizer else { return (false, "optimizer: its state starts fresh") }
    let others = Set(method.otherParts)
    /// The name of a parameter in the model: the query encoder's have no prefix among the optimizer's.
    func modelName(_ name: String) -> String {
      let first = String(name.prefix { $0 != "." })
      let isWhole = others.contains(first) || name.hasPrefix(EncoderRole.key.prefix)
      return isWhole ? name : EncoderRole.query.prefix + name
    }
    let names = method.trainable.map(\.name)
    let kept = names.map { plan.carries(modelName($0)) }
    // Adam's corrections count the steps of all parameters together.
    guard new.optimizer != .adamw || kept.allSatisfy(\.self) else {
      return (false, "optimizer: its state starts fresh, because some of its parameters do")
    }
    try withTorchErrors {
      try withNoGrad {
        for (kind, tensors) in optimizer.memory {
          for (index, tensor) in tensors.enumerated() where kept[index] {
            let name = kind.isEmpty ? names[index] : "\(kind).\(names[index])"
            guard let source = checkpoint.optimizer[name], source.shape == tensor.shape else {
              throw RunError("\(checkpoint.path): the tensor \(name) is missing or has another shape.")
            }
            tensor.copy(from: source)
          }
        }
      }
    }
    return (true, nil)
  }
}

/// The parts of a model that another run's checkpoint fits.
struct CarryingPlan {
  /// In the model's order: parts that stay as they were drawn.
  private(set) var fresh: [String] = []
  private let parts: [String]
  private let headName: String

  private static let backbone = "backbone", head = "head"

  /// A head that does not fit leaves behind all that works on its outputs: a predictor, a dictionary.
  init(_ model: [(name: String, tensor: Tensor)], _ checkpoint: Checkpoint, headName: String) {
    self.headName = headName
    func part(_ name: String) -> String { CarryingPlan.part(of: name, headName) }
    let mine = Dictionary(grouping: model) { part($0.name) }
    let theirs = Dictionary(grouping: checkpoint.model.keys, by: part)
    parts = model.map { part($0.name) }.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    for name in parts where name != CarryingPlan.backbone {
      let tensors = mine[name] ?? []
      let fits =
        theirs[name]?.count == tensors.count
        && tensors.allSatisfy { checkpoint.model[$0.name]?.shape == $0.tensor.shape }
      if !fits { leave(name) }
    }
    if fresh.contains(CarryingPlan.head) {
      for name in parts where name != CarryingPlan.backbone { leave(name) }
    }
  }

  /// Leaves a part behind, if the model has it.
  mutating func leave(_ name: String) {
    guard parts.contains(name), !fresh.contains(name) else { return }
    fresh.append(name)
  }

  /// Whether a tensor of the model is carried.
  func carries(_ name: String) -> Bool { !fresh.contains(CarryingPlan.part(of: name, headName)) }

  /// Both encoders' backbones are one part, and so are their heads.
  private static func part(of name: String, _ headName: String) -> String {
    for role in EncoderRole.allCases where name.hasPrefix(role.prefix) {
      return name.dropFirst(role.prefix.count).hasPrefix("\(headName).") ? head : backbone
    }
    return String(name.prefix { $0 != "." })
  }
}
