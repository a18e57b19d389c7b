import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// Dense contrast: steps of the published modules, with keys that show the image moved to the side.
enum DenseCLCase {
  static func check(_ file: MethodCase) throws {
    let settings = try file.settings
    let method = try method(settings)
    try setWeights(of: method, file.parameters())
    let given = try settings.at("optimizer")
    try #require(try given.text("name") == "SGD")
    let optimizer = try SGD(
      method.trainable.map(\.tensor), momentum: given.number("momentum"),
      weightDecay: given.number("weight_decay"))

    let (order, count) = (try settings.integers("perm"), try settings.integer("batch"))
    let shuffle = KeyShuffle((0..<count).map { (order[0] * $0 + order[1]) % count })
    let (steps, losses) = (try file.parts("steps"), try file.numbers("losses"))
    #expect(steps.count == losses.count)
    for (number, step) in steps.enumerated() {
      var batch = ViewBatch(try views(settings, step: number), step: number)
      batch.shuffles = [shuffle]
      method.beforeForward(momentum: try settings.number("m"))
      let found = method.contrast(batch)
      let output = method.output(of: found, batch)
      try compare(found, loss: output.loss, step)
      expectClose(output.loss.item(), losses[number], "loss of step \(number)")
      output.loss.backward()
      if step.has("gradient_norms") {
        var norms: [String: Double] = [:]
        for entry in method.trainable { norms[entry.name] = entry.tensor.gradient?.norm().item() ?? .nan }
        expectClose(norms, try ours(step.named("gradient_norms"), role: nil), "norm of the gradient")
      }
      optimizer.step(learningRate: try given.number("lr"))
      method.afterStep([output])
    }
    try compare(method, file.at("final"))
  }

  private static func method(_ settings: MethodCase) throws -> DenseCL {
    let arch = try #require(Architecture(rawValue: settings.text("arch")))
    let (hidden, size) = (try settings.integer("hidden"), try settings.integer("dim"))
    let (keys, generator) = (try settings.integer("K"), Generator(seed: 1))
    func queue(_ salt: String) throws -> KeyQueue {
      let columns = formula(salt: try settings.integer(salt), shape: [size, keys])
      return KeyQueue(keys: l2Normalized(columns.transposed).contiguous())
    }
    func prepared<Network: Module>(_ network: Network) -> Network {
      network.convert(to: .float64)
      network.move(to: .cpu)
      return network
    }
    return DenseCL(
      .init(temperature: try settings.number("T"), denseShare: try settings.number("loss_lambda")),
      queue: try queue("queue_salt"), denseQueue: try queue("queue2_salt"), seed: 1,
      denseHead: {
        prepared(
          DenseCL.denseHead(inputs: arch.featureSize, hidden: hidden, outputs: size, using: generator))
      },
      encoder: {
        let head = Sequential(
          Linear(arch.featureSize, hidden, using: generator), ReLU(), Linear(hidden, size, using: generator))
        let backbone = EncoderSpec(arch: arch).makeEncoder(using: generator).backbone
        return prepared(ImageEncoder(backbone, head: head))
      })
  }

  private static func setWeights(of method: DenseCL, _ list: [MethodCase.Parameter]) throws {
    let mine = method.trainable
    let names = try list.map { try ours($0.name, role: nil) }
    try #require(mine.map(\.name) == names)
    withNoGrad { for (entry, given) in zip(mine, list) { entry.tensor.copy(from: given.start) } }
    method.encoderK.encoder.copyState(from: method.encoderQ)
    method.denseHeadK.copyState(from: method.denseHeadQ)
  }

  /// A query of blocks of one colour each, and as its key the same image, moved to the right around the edge, with noise.
  private static func views(_ settings: MethodCase, step: Int) throws -> [Tensor] {
    let (count, image) = (try settings.integer("batch"), try settings.integer("image"))
    let (block, shift) = (try settings.integer("block"), try settings.integer("shift"))
    let side = image / block
    let salts = (try settings.integers("query_salts")[step], try settings.integers("key_salts")[step])
    let query =
      (formula(salt: salts.0, shape: [count, 3, side, 1, side, 1]) * 2)
      .expanded([count, 3, side, block, side, block]).reshaped([count, 3, image, image])
    let moved = Tensor.concatenated(
      [query.narrowed(image - shift..<image, dim: 3), query.narrowed(0..<image - shift, dim: 3)], dim: 3)
    let noise = formula(salt: salts.1, shape: [count, 3, image, image]) * (try settings.number("key_noise"))
    return [query, moved + noise].map { $0.contiguous(.channelsLast) }
  }

  private static func compare(_ found: DenseCL.Contrast, loss: Tensor, _ step: MethodCase) throws {
    expectClose(loss.item(), try step.number("loss"), "\(step.name): loss")
    expectClose(found.globalLoss.item(), try step.number("global_loss"), "\(step.name): global loss")
    expectClose(found.denseLoss.item(), try step.number("dense_loss"), "\(step.name): dense loss")
    let matches = try step.integerRows("matches")
    #expect(found.matches.array(of: Int.self) == matches.flatMap(\.self), "\(step.name): matches")
    guard step.has("query_map") else { return }
    for (name, ours) in [
      ("query_map", found.query.map.transposed), ("key_map", found.key.map.transposed),
      ("dense_query", found.query.cells.transposed), ("dense_key", found.key.cells.transposed),
      ("query", found.query.image), ("key", found.key.image), ("pooled_key", found.key.cellMean),
    ] { expectClose(ours, try step.digest(name)) }
  }

  private static func compare(_ method: DenseCL, _ final: MethodCase) throws {
    expectClose(method.queue.keys.transposed, try final.digest("queue"))
    expectClose(method.denseQueue.keys.transposed, try final.digest("queue2"))
    #expect(try method.queue.pointer == final.integer("queue_ptr"))
    #expect(try method.denseQueue.pointer == final.integer("queue2_ptr"))
    var norms: [String: Double] = [:]
    for entry in method.state where entry.tensor.dtype == .float64 && !entry.name.hasSuffix("queue") {
      norms[entry.name] = entry.tensor.detached().norm().item()
    }
    var theirs: [String: Double] = [:]
    for role in EncoderRole.allCases {
      let named = try final.named("norms").filter { $0.key.hasPrefix(role.prefix) }
      theirs.merge(try ours(named, role: role)) { first, _ in first }
    }
    expectClose(norms, theirs, "norm")
  }

  // MARK: - Names

  /// `0.` is the backbone, `1.mlp` the head of images and `1.mlp2` that of cells.
  /// - Parameter role: nil for names of the optimizer, where the query encoder has no prefix.
  private static func ours(_ name: String, role: EncoderRole?) throws -> String {
    let encoder = role?.prefix ?? ""
    let name = name.dropFirst(encoder.count)
    for (theirs, ours) in [
      ("0.", encoder), ("1.mlp.", encoder + "fc."),
      ("1.mlp2.", role == .key ? "dense_head_k." : "dense_head_q."),
    ] where name.hasPrefix(theirs) {
      return ours + name.dropFirst(theirs.count)
    }
    throw MethodCase.Missing(name: String(name), form: "a tensor of an encoder")
  }

  private static func ours(_ named: [String: Double], role: EncoderRole?) throws -> [String: Double] {
    var found: [String: Double] = [:]
    for (name, value) in named { found[try ours(name, role: role)] = value }
    return found
  }
}
