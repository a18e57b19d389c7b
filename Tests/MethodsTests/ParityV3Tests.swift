import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// A trajectory of the published MoCo v3 in float64.
struct V3Case: Decodable {
  struct Settings: Decodable {
    enum Rule: String, Decodable { case lars, adamw }

    let arch: Architecture
    let dim: Int
    let hidden: Int
    let temperature: Double
    let momentum: Double
    let optimizer: Rule
    let learningRate: Double
    let weightDecay: Double
    let freezesProjection: Bool?
    let world: Int?
    let batch: Int
    let image: Int
    let steps: Int

    enum CodingKeys: String, CodingKey {
      case world, arch, dim, optimizer, batch, image, steps
      case hidden = "mlp_dim"
      case temperature = "T"
      case momentum = "m"
      case learningRate = "lr"
      case weightDecay = "weight_decay"
      case freezesProjection = "stop_grad_conv1"
    }
  }

  struct Final: Decodable { let norms: [String: Double] }

  let settings: Settings
  let parameters: [ParityCase.Parameter]
  let losses: [Double]
  let final: Final

  enum CodingKeys: String, CodingKey {
    case parameters, losses, final
    case settings = "case"
  }
}

@Suite struct ParityV3 {
  @Test(arguments: Parity.files(kinds: ["v3"]) { $0 == 1 })
  func lossesAndFinalNormsFollowThePublishedCode(file: URL) throws {
    try ParityV3.follow(JSONDecoder().decode(V3Case.self, from: Data(contentsOf: file)), ranks: .alone)
  }

  /// Makes the steps of a case as one of its ranks, and compares.
  static func follow(_ reference: V3Case, ranks: ProcessGroup) throws {
    let settings = reference.settings
    // Two correct programs in float64 agree to about 1e-12; this leaves room for another order of summation
    // amplified over the steps, and for the transformer's positions, which are float32.
    let tolerance = settings.arch.isTransformer ? 1e-6 : 1e-8
    let method = try method(for: reference, ranks: ranks)

    let parameters = method.trainable.map(\.tensor)
    let reducer = try ranks.reducer(of: parameters)
    let optimizer: any Optimizer =
      switch settings.optimizer {
      case .lars: LARS(parameters, weightDecay: settings.weightDecay)
      case .adamw: AdamW(parameters, weightDecay: settings.weightDecay)
      }
    let shape = [settings.batch, 3, settings.image, settings.image]
    var losses: [Double] = []
    for step in 0..<settings.steps {
      let x1 = formula(salt: 10000 + 2 * step, shape: shape) * 2
      let x2 = formula(salt: 10001 + 2 * step, shape: shape) + x1 * 0.5
      method.beforeForward(momentum: settings.momentum)
      let output = method.forward(
        ViewBatch([x1, x2].map { ranks.localShard($0).contiguous(.channelsLast) }, step: step))
      reducer?.prepare()
      output.loss.backward()
      optimizer.step(learningRate: settings.learningRate)
      let loss = output.loss.detached() / Double(ranks.rank.count)
      ranks.allReduce(loss)
      losses.append(loss.item())
    }

    #expect(losses.count == reference.losses.count)
    for (step, (ours, theirs)) in zip(losses, reference.losses).enumerated() {
      #expect(
        isClose(ours, theirs, within: tolerance), "loss of step \(step): \(ours), published \(theirs)")
    }

    var norms: [String: Double] = [:]
    for entry in method.state where entry.tensor.dtype == .float64 {
      norms[entry.name] = entry.tensor.detached().norm().item()
    }
    #expect(norms.count == reference.final.norms.count)
    // Batch statistics are a rank's own, and the file has the first rank's.
    for (name, theirs) in reference.final.norms where ranks.rank.number == 0 || !name.contains(".running_") {
      let ours = try #require(norms[ours(name)], "no tensor named \(name)")
      #expect(isClose(ours, theirs, within: tolerance), "norm of \(name): \(ours), published \(theirs)")
    }
  }

  private static func method(for reference: V3Case, ranks: ProcessGroup) throws -> MoCoV3 {
    let settings = reference.settings
    var options = settings.arch.isTransformer ? MoCoV3.Settings.transformer : .resNet
    options.dimension = settings.dim
    options.hidden = settings.hidden
    options.temperature = settings.temperature
    let generator = Generator(seed: 1)
    let predictor = options.predictor.makeLayers(inputs: settings.dim, using: generator)
    predictor.convert(to: .float64)
    let method = MoCoV3(options, predictor: predictor, ranks: ranks) {
      let spec = EncoderSpec(arch: settings.arch, imageSize: settings.image, head: options.projector)
      let network = spec.makeEncoder(
        zeroResiduals: true, freezesProjection: settings.freezesProjection ?? true, using: generator)
      network.convert(to: .float64)
      network.move(to: .cpu)
      return network
    }
    let query = method.encoderQ.state.filter { $0.kind != .buffer }.map { ($0.name, $0.tensor) }
    let rest = predictor.namedParameters.map { ("predictor.\($0.name)", $0.tensor) }
    try set(query + rest, from: reference.parameters)
    method.encoderK.encoder.copyState(from: method.encoderQ)
    return method
  }

  private static func ours(_ published: String) -> String {
    published.replacing("base_encoder.", with: "encoder_q.")
      .replacing("momentum_encoder.", with: "encoder_k.")
  }

  /// Sets parameters, fixed ones too, to what a case says: in its order, which is checked by name.
  private static func set(
    _ mine: [(name: String, tensor: Tensor)], from list: [ParityCase.Parameter]
  ) throws {
    try #require(mine.map(\.name) == list.map(\.name))
    withNoGrad {
      for (entry, given) in zip(mine, list) {
        if let salt = given.salt {
          let fanIn = Double(given.shape.dropFirst().reduce(1, *))
          entry.tensor.copy(from: formula(salt: salt, shape: given.shape) * (6 / fanIn).squareRoot())
        } else if entry.name != "pos_embed" {  // it is what it starts as
          entry.tensor.fill(entry.name.hasSuffix("weight") ? 1 : 0)
        }
      }
    }
  }

  private static func isClose(_ a: Double, _ b: Double, within tolerance: Double) -> Bool {
    abs(a - b) <= tolerance * max(abs(b), 1e-4)
  }
}
