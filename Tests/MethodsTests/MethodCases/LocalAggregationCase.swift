import TestSupport
import Testing
import Torch
@testable import Methods

/// Local aggregation: the loss of a step on given clusters, and steps with clusters of its own.
enum LocalAggregationCase {
  static func check(_ file: MethodCase) throws {
    let given = try BankCase(file.settings)
    let (settings, bank, images) = (given.settings, given.bank, try given.images)
    let sizes = try settings.integers("clusters")
    let salts = try settings.integers("label_salts")
    let labels = zip(salts, sizes).map { wholeNumbers(salt: $0, shape: [bank.count], below: $1) }
    #expect(try labels == file.integerRows("labels"))
    let method = LocalAggregation(
      .init(
        background: try settings.integer("background"), clusters: sizes.max() ?? 1, clusterings: sizes.count,
        temperature: try given.temperature),
      bank: bank, seed: 1, encoder: BankCase.encoder())
    method.clusters.tensor.copy(from: Tensor(labels.flatMap(\.self), shape: [sizes.count, bank.count]))

    let outputs = try given.outputs()
    expectClose(outputs, try file.digest("outputs"))
    let near = method.neighbourhood(of: l2Normalized(outputs).detached(), bank.indices(images))
    let background = rows(near.background)
    #expect(try background == file.integerRows("background"))
    #expect(try closeRows(near) == file.integerRows("close_in_background"))
    #expect(zip(images, background).map { $1.contains($0) } == flags(file, "self_in_background"))
    let products = bank.products(l2Normalized(outputs), at: near.background)
    expectClose(
      method.closeShare(products, near).detached().array(of: Double.self), try file.numbers("ratio"), "ratio")

    let output = method.forward(ViewBatch([outputs], samples: images, step: 0))
    expectClose(output.loss.item(), try file.number("loss"), "loss")
    output.loss.backward()
    let gradient = try #require(outputs.gradient)
    expectClose(gradient, try file.digest("gradient"))
    expectClose(
      gradient.norm(dim: 1).array(of: Double.self), try file.numbers("gradient_row_norms"), "gradient norm")
    try expectMoved(given, output, file)
    expectClose(bank.rows, try file.digest("bank_after"))
  }

  /// Updates the bank and compares the images' new rows.
  static func expectMoved(_ given: BankCase, _ output: StepOutput, _ file: MethodCase) throws {
    let keys = try #require(output.keys)
    let indices = given.bank.indices(try given.images)
    given.bank.update(indices, with: keys, momentum: try given.momentum)
    expectClose(given.bank.rows.indexSelected(indices), try file.digest("new_rows"))
  }

  static func checkTraining(_ file: MethodCase) throws {
    let given = try BankCase(file.settings)
    let (settings, bank) = (given.settings, given.bank)
    let starts = try settings.integerRows("initial_centres")
    let (inputs, dimension) = (try settings.integer("inputs"), try settings.integer("dim"))
    let weight = formula(salt: try settings.integer("weight_salt"), shape: [dimension, inputs])
    let encoder = Linear(
      weight: Parameter(weight * (6 / Double(inputs)).squareRoot()),
      bias: Parameter(.zeros([dimension], dtype: .float64)))
    let method = LocalAggregation(
      .init(
        background: try settings.integer("background"), clusters: starts.map(\.count).max() ?? 1,
        clusterings: starts.count, temperature: try given.temperature,
        kMeans: KMeans(iterations: try settings.integer("iterations"))),
      bank: bank, seed: 1, encoder: BankCase.encoder(encoder))
    let optimizer = SGD(
      method.trainable.map(\.tensor), momentum: try settings.number("momentum"),
      weightDecay: try settings.number("weight_decay"))
    let data = formula(salt: try settings.integer("data_salt"), shape: [bank.count, inputs])

    let steps = try file.parts("steps")
    for (step, images) in try settings.integerRows("batches").enumerated() {
      let expected = steps[step]
      if try settings.integers("cluster_before").contains(step) {
        method.renewClusters(startingFrom: starts)
        try expectClusters(method, starts, expected)
      }
      let indices = bank.indices(images)
      let x = data.indexSelected(indices)  // N×inputs
      let near = method.neighbourhood(of: l2Normalized(method.encoderQ(x)).detached(), indices)
      #expect(try rows(near.background).joined().reduce(0, +) == expected.integer("background_index_sum"))
      #expect(try closeRows(near).map(\.count) == expected.integers("close"))
      let output = method.forward(ViewBatch([x], samples: images, step: step))
      expectClose(output.loss.item(), try expected.number("loss"), "loss of step \(step)")
      output.loss.backward()
      let gradient = try #require(encoder.weight.tensor.gradient).norm().item()
      expectClose(gradient, try expected.number("weight_gradient"), "gradient of step \(step)")
      optimizer.step(learningRate: try settings.number("lr"))
      bank.update(indices, with: try #require(output.keys), momentum: try given.momentum)
      expectClose(bank.rows, try expected.digest("bank"))
    }
    let last = try file.at("final")
    let norms = encoder.state.map { ($0.name, $0.tensor.detached().norm().item()) }
    expectClose(Dictionary(uniqueKeysWithValues: norms), try last.named("norms"), "norm")
    for entry in encoder.state { expectClose(entry.tensor, try last.digest(entry.name)) }
  }

  private static func expectClusters(
    _ method: LocalAggregation, _ starts: [[Int]], _ expected: MethodCase
  ) throws {
    let labels = rows(method.clusters.tensor)
    let sizes = zip(labels, starts).map { labels, start in
      start.indices.map { cluster in labels.count { $0 == cluster } }
    }
    #expect(try sizes == expected.integerRows("cluster_sizes"))
    expectClose(method.clusters.tensor, try expected.digest("labels"))
  }

  /// A matrix of whole numbers, row by row.
  private static func rows(_ tensor: Tensor) -> [[Int]] {
    (0..<tensor.shape[0]).map { tensor.selected($0).array() }
  }

  private static func closeRows(_ near: LocalAggregation.Neighbourhood) -> [[Int]] {
    zip(rows(near.background), rows(near.isClose.to(.int64))).map { row, isClose in
      zip(row, isClose).filter { $1 == 1 }.map(\.0)
    }
  }

  private static func flags(_ file: MethodCase, _ key: String) -> [Bool]? {
    guard case .object(let fields) = file.value else { return nil }
    return fields[key]?.list?.compactMap(\.flag)
  }
}
