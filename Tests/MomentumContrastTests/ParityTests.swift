import Backbones
import Foundation
import Testing
import Torch

@testable import MomentumContrast

/// The published trajectories, step for step, in float64.
@Suite struct Parity {
  @Test(arguments: Parity.files)
  func lossesAndFinalNormsFollowThePublishedCode(file: URL) throws {
    let reference = try JSONDecoder().decode(ParityCase.self, from: Data(contentsOf: file))
    let settings = reference.settings
    let method = try method(for: reference)
    try setWeights(of: method, from: reference.parameters)

    let optimizer = SGD(method.query.parameters, momentum: 0.9, weightDecay: settings.weightDecay)
    let shuffle = KeyShuffle(
      (0..<settings.batch).map { (settings.perm[0] * $0 + settings.perm[1]) % settings.batch })
    let shape = [settings.batch, 3, settings.image, settings.image]
    var losses: [Double] = []
    for step in 0..<settings.steps {
      let xq = formula(salt: 10000 + 2 * step, shape: shape) * 2
      let xk = formula(salt: 10001 + 2 * step, shape: shape) + xq * 0.5
      let output = method(
        xq.contiguous(.channelsLast), xk.contiguous(.channelsLast), step: step, shuffles: [shuffle])
      output.loss.backward()
      optimizer.step(learningRate: settings.learningRate)
      method.queue.enqueue(output.keys)
      losses.append(output.loss.item())
    }

    #expect(losses.count == reference.losses.count)
    for (step, (ours, theirs)) in zip(losses, reference.losses).enumerated() {
      #expect(isClose(ours, theirs), "loss of step \(step): \(ours), published \(theirs)")
    }
    try compareFinalState(method, reference.final)
  }

  private func method(for reference: ParityCase) throws -> MoCo {
    let settings = reference.settings
    let cifar = settings.kind == "cifar"
    try #require(cifar || settings.kind == "builder", "unknown kind of case: \(settings.kind)")
    try #require(settings.world ?? 1 == 1, "a case of several ranks needs several processes")
    let generator = Generator(seed: 1)
    let columns = formula(salt: 1, shape: [settings.dim, settings.queueSize])
    let options = MoCo.Settings(
      queueSize: settings.queueSize, dimension: settings.dim, momentum: settings.momentum,
      temperature: settings.temperature, bnGroups: settings.bnSplits ?? 1,
      symmetric: settings.symmetric ?? false)
    return MoCo(options, queue: KeyQueue(keys: l2Normalized(columns.transposed).contiguous()), seed: 1) {
      let network = ResNet(
        settings.arch, stem: cifar ? .cifar : .imageNet,
        head: settings.mlp ?? false ? .mlp(outputs: settings.dim) : .linear(outputs: settings.dim),
        bnGroups: settings.bnSplits ?? 1, using: generator)
      network.convert(to: .float64)
      network.move(to: .cpu)
      return network
    }
  }

  private func setWeights(of method: MoCo, from list: [ParityCase.Parameter]) throws {
    let mine = method.query.namedParameters
    try #require(mine.map(\.name) == list.map { ParityCase.name($0.name) })
    withNoGrad {
      for (entry, given) in zip(mine, list) {
        if let salt = given.salt {
          let fanIn = Double(given.shape.dropFirst().reduce(1, *))
          entry.tensor.copy(from: formula(salt: salt, shape: given.shape) * (6 / fanIn).squareRoot())
        } else {
          entry.tensor.fill(entry.name.hasSuffix("weight") ? 1 : 0)
        }
      }
    }
    method.key.encoder.copyState(from: method.query)
  }

  private func compareFinalState(_ method: MoCo, _ final: ParityCase.Final) throws {
    var norms: [String: Double] = [:]
    for (name, tensor) in method.state where tensor.dtype == .float64 && name != "queue" {
      norms[name] = tensor.detached().norm().item()
    }
    #expect(norms.count == final.norms.count)
    for (name, theirs) in final.norms {
      let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
      let ours = try #require(norms["\(parts[0]).\(ParityCase.name(parts[1]))"], "no tensor named \(name)")
      #expect(isClose(ours, theirs), "norm of \(name): \(ours), published \(theirs)")
    }
    #expect(method.queue.pointer == final.queuePointer)
    #expect(isClose(method.queue.keys.sum().item(), final.queueSum), "sum of the queue")
    let firstKey = method.queue.keys.selected(0).array(of: Double.self)
    #expect(firstKey.count >= final.firstKey.count)
    for (ours, theirs) in zip(firstKey, final.firstKey) { #expect(isClose(ours, theirs)) }
  }

  /// Two correct programs in float64 agree to about 1e-12; 1e-8 leaves room for another order of summation
  /// amplified over the steps, and none for a mistake.
  private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-8 * max(abs(b), 1e-4) }

  /// The committed cases, or those of the folder that PARITY_CASES names as well.
  static let files: [URL] = {
    let committed = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/parity")
    let folders =
      [committed]
      + (ProcessInfo.processInfo.environment["PARITY_CASES"].map { [URL(fileURLWithPath: $0)] } ?? [])
    return folders.flatMap { folder in
      let found =
        (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
      return found.filter { $0.pathExtension == "json" && isSingleProcess($0) }
        .sorted { $0.path < $1.path }
    }
  }()

  /// Cases of the methods here; those of other methods have tests of their own.
  private static func isSingleProcess(_ file: URL) -> Bool {
    struct Head: Decodable {
      struct Case: Decodable {
        let kind: String
        let world: Int?
      }
      let `case`: Case
    }
    guard let data = try? Data(contentsOf: file), let head = try? JSONDecoder().decode(Head.self, from: data)
    else { return true }  // the test itself says what is wrong with it
    return ["builder", "cifar"].contains(head.case.kind) && head.case.world ?? 1 == 1
  }
}
