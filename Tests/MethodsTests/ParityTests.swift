import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Methods

/// The published trajectories, step for step, in float64.
@Suite struct Parity {
  @Test(arguments: Parity.files { $0 == 1 })
  func lossesAndFinalNormsFollowThePublishedCode(file: URL) throws {
    try Parity.follow(JSONDecoder().decode(ParityCase.self, from: Data(contentsOf: file)), ranks: .alone)
  }

  /// Makes the steps of a case as one of its ranks, and compares.
  static func follow(_ reference: ParityCase, ranks: ProcessGroup) throws {
    let settings = reference.settings
    let method = try method(for: reference, ranks: ranks)
    try setWeights(of: method, from: reference.parameters)

    let optimizer = SGD(method.encoderQ.parameters, momentum: 0.9, weightDecay: settings.weightDecay)
    let reducer = try ranks.reducer(of: method.encoderQ.parameters)
    let shuffle = KeyShuffle(
      (0..<settings.batch).map { (settings.perm[0] * $0 + settings.perm[1]) % settings.batch })
    let shape = [settings.batch, 3, settings.image, settings.image]
    var losses: [Double] = []
    for step in 0..<settings.steps {
      let xq = formula(salt: 10000 + 2 * step, shape: shape) * 2
      let xk = formula(salt: 10001 + 2 * step, shape: shape) + xq * 0.5
      method.beforeForward(momentum: settings.momentum)
      let batch = ViewBatch([xq, xk].map { ranks.localShard($0).contiguous(.channelsLast) }, step: step)
      let output = method.forward(batch, [shuffle])
      reducer?.prepare()
      output.loss.backward()
      optimizer.step(learningRate: settings.learningRate)
      method.afterStep([output])
      let loss = output.loss.detached() / Double(ranks.rank.count)
      ranks.allReduce(loss)
      losses.append(loss.item())
    }

    #expect(losses.count == reference.losses.count)
    for (step, (ours, theirs)) in zip(losses, reference.losses).enumerated() {
      #expect(isClose(ours, theirs), "loss of step \(step): \(ours), published \(theirs)")
    }
    try compareFinalState(method, reference.final, ranks: ranks)
  }

  private static func method(for reference: ParityCase, ranks: ProcessGroup) throws -> MoCo {
    let settings = reference.settings
    let cifar = settings.kind == "cifar"
    try #require(cifar || settings.kind == "builder", "unknown kind of case: \(settings.kind)")
    try #require(settings.world ?? 1 == ranks.rank.count)
    let generator = Generator(seed: 1)
    let columns = formula(salt: 1, shape: [settings.dim, settings.queueSize])
    let options = MoCo.Settings(
      temperature: settings.temperature, bnGroups: settings.bnSplits ?? 1,
      symmetric: settings.symmetric ?? false)
    let spec = EncoderSpec(
      arch: settings.arch, stem: cifar ? .cifar : .imageNet,
      head: settings.mlp ?? false ? .mlp(outputs: settings.dim) : .linear(outputs: settings.dim))
    return MoCo(
      options, queue: KeyQueue(keys: l2Normalized(columns.transposed).contiguous()), seed: 1, ranks: ranks
    ) {
      let network = spec.makeEncoder(bnGroups: settings.bnSplits ?? 1, using: generator)
      network.convert(to: .float64)
      network.move(to: .cpu)
      return network
    }
  }

  private static func setWeights(of method: MoCo, from list: [ParityCase.Parameter]) throws {
    let mine = method.encoderQ.namedParameters
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
    method.encoderK.encoder.copyState(from: method.encoderQ)
  }

  private static func compareFinalState(
    _ method: MoCo, _ final: ParityCase.Final, ranks: ProcessGroup
  ) throws {
    var norms: [String: Double] = [:]
    for entry in method.state where entry.tensor.dtype == .float64 && entry.name != "queue" {
      norms[entry.name] = entry.tensor.detached().norm().item()
    }
    #expect(norms.count == final.norms.count)
    // Batch statistics are a rank's own, and the file has the first rank's.
    for (name, theirs) in final.norms where ranks.rank.number == 0 || !name.contains(".running_") {
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
  private static func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-8 * max(abs(b), 1e-4) }

  /// The committed cases, and those of the folder that PARITY_CASES names.
  /// - Parameters:
  ///   - kinds: the wanted kinds of case.
  ///   - isWanted: decides by the number of ranks.
  static func files(
    kinds: Set<String> = ["builder", "cifar"], _ isWanted: (_ ranks: Int) -> Bool
  ) -> [URL] {
    struct Head: Decodable {
      struct Case: Decodable {
        let kind: String
        let world: Int?
      }
      let `case`: Case
    }
    let committed = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/parity")
    let further = ProcessInfo.processInfo.environment["PARITY_CASES"].map { URL(fileURLWithPath: $0) }
    return [committed, further].compactMap(\.self).flatMap { folder in
      let found =
        (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
      return found.filter { file in
        guard file.pathExtension == "json", let data = try? Data(contentsOf: file),
          let head = try? JSONDecoder().decode(Head.self, from: data)
        else { return false }
        return kinds.contains(head.case.kind) && isWanted(head.case.world ?? 1)
      }
      .sorted { $0.path < $1.path }
    }
  }
}
