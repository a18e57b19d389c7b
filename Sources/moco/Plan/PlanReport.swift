import Files
import Methods
import Training

/// The estimates of a plan, for the asked number of ranks and for the powers of two up to 1024.
struct PlanReport: Encodable {
  struct Row: Encodable {
    var ranks: Int
    var estimate: RunPlan.Estimate?
    /// The reason why so many ranks cannot share the batch.
    var impossible: String?
  }

  let recipe: String
  let batchSize: Int
  let totalSteps: Int
  let measure: StepMeasure
  let loader: LoaderMeasure?
  let footprint: Footprint
  let estimate: RunPlan.Estimate
  let table: [Row]
  let assumptions: [String]

  /// - Throws: `UsageError` if so many ranks cannot share the batch.
  init(_ plan: RunPlan, ranks: Int, isMeasuredHere: Bool) throws {
    let config = plan.config
    recipe = config.networkSummary(images: plan.images)
    (batchSize, totalSteps) = (config.batchSize, plan.totalSteps)
    (measure, loader, footprint) = (plan.step, plan.loader, plan.footprint)
    estimate = try plan.estimate(ranks: ranks)
    table = Set((0...10).map { 1 << $0 } + [ranks]).sorted().map { count in
      do {
        return Row(ranks: count, estimate: try plan.estimate(ranks: count))
      } catch {
        return Row(ranks: count, impossible: "\(error)")
      }
    }
    assumptions = PlanReport.assumptions(plan, isMeasuredHere: isMeasuredHere)
  }

  private static func assumptions(_ plan: RunPlan, isMeasuredHere: Bool) -> [String] {
    let step = plan.step
    var found = [
      "The step was measured \(isMeasuredHere ? "here" : "elsewhere"): \(step.images) images on \(step.device), "
        + "\(step.threads) of \(step.cores) cores, \(fixed(step.secondsPerStep, 3)) s. Another number of images takes time and memory in "
        + "proportion, except for \(fixed(step.secondsOfUpdates * 1000, 1)) ms of updates.",
      step.device == "cpu"
        ? "Each rank has \(step.threads) thread\(step.threads == 1 ? "" : "s"), or its share of the machine's "
          + "\(step.cores) cores if they are fewer, without loss; loading takes cores from the step."
        : "Each rank has a GPU of its own; loading is hidden behind the step if there are enough cores.",
      "\(plan.ranksPerMachine) rank\(plan.ranksPerMachine == 1 ? "" : "s") a machine; the network moves "
        + "\(plan.network) from each machine, in rings, and none of its time is hidden behind computing. Between ranks of "
        + "one machine it takes none.",
      "No rank waits for a slower one, and nothing is added for checkpoints and kNN.",
    ]
    if let loader = plan.loader {
      found.append(
        "Loading: \(fixed(loader.full, 1)) images/s a core"
          + (loader.bytesPerImage.map { ", files of \(fixed($0 / 1000, 1)) kB." } ?? "."))
    } else {
      found.append("Loading was not measured, and is left out: give --data or --loader.")
    }
    if step.bytesPerImage == nil {
      found.append("The memory of a step was not measured: it can be on the CPU under Linux.")
    } else {
      found.append("The memory of a rank leaves out the loader's batches and the shuffle buffer of shards.")
    }
    return found
  }
}

// MARK: - Text

extension PlanReport {
  func text(_ plan: RunPlan) -> String {
    let groups = plan.config.normalizationSummary(ranks: estimate.ranks)
    var lines = [
      recipe,
      "\(grouped(totalSteps)) steps of \(grouped(batchSize)) images; \(grouped(plan.images)) images, "
        + "\(fixed(Double(totalSteps * batchSize) / Double(plan.images), 2)) epochs; \(estimate.ranks) ranks on "
        + "\(estimate.machines) machine\(estimate.machines == 1 ? "" : "s")",
    ]
    if let groups { lines.append(groups) }
    lines += ["", "time, estimated"]
    lines += [
      row("a step", "\(seconds(estimate.secondsPerStep)), \(fixed(estimate.imagesPerSecond, 1)) images/s"),
      row("  compute", "\(seconds(estimate.compute)) for \(estimate.imagesPerRank) images a rank"),
      row("  network", seconds(estimate.network)),
      row("  loader", estimate.loading.map(seconds) ?? "not measured"),
      row("the run", duration(estimate.secondsOfRun)),
      row("bottleneck", estimate.bottleneck),
    ]
    lines += ["", "memory of a rank, estimated; weights and dictionary are counted"]
    if let memory = estimate.memory, let total = estimate.memoryBytes {
      lines += memory.map { row("  \($0.name)", bytes($0.bytes)) } + [row("total", bytes(total))]
    } else {
      lines.append(row("  kept all the time", bytes(Double(footprint.total))))
      lines.append(row("  of a step", "not measured"))
    }
    lines += ["", "network, sent by a rank in a step, by formula"]
    lines +=
      estimate.sent.map { row("  \($0.name)", bytes($0.bytes)) } + [row("total", bytes(estimate.sentBytes))]
    lines += ["", "files"]
    lines += [
      row("  a checkpoint", "\(grouped(footprint.checkpoint)) bytes, counted"),
      row(
        "  read",
        estimate.readBytesPerSecond.map { "\(bytes($0))/s by all ranks, estimated" } ?? "not measured"),
      row(
        "  loader's cores",
        estimate.loaderCores.map { "\(fixed($0, 2)) a rank, estimated" } ?? "not measured"),
    ]
    lines += ["", heading] + table.map(tableRow)
    lines += ["", "assumed"] + assumptions.map { "- \($0)" }
    return lines.map { $0 + "\n" }.joined()
  }

  private var heading: String {
    columns(["ranks", "images", "step", "images/s", "run", "memory", "sent a step", "bottleneck"])
  }

  private func tableRow(_ row: Row) -> String {
    guard let one = row.estimate else {
      return columns(["\(row.ranks)"]) + (row.impossible ?? "")
    }
    return columns([
      "\(one.ranks)", "\(one.imagesPerRank)", seconds(one.secondsPerStep), fixed(one.imagesPerSecond, 1),
      duration(one.secondsOfRun), one.memoryBytes.map(bytes) ?? "–", bytes(one.sentBytes), one.bottleneck,
    ])
  }

  private func columns(_ cells: [String]) -> String {
    zip(cells, [7, 8, 11, 11, 17, 11, 13, 0]).map { $0.padded(to: $1) }.joined()
  }

  private func row(_ name: String, _ value: String) -> String { name.padded(to: 28) + value }

  private func seconds(_ value: Double) -> String {
    value < 1 ? "\(fixed(value * 1000, 1)) ms" : "\(fixed(value, 2)) s"
  }

  private func bytes(_ value: Double) -> String {
    switch value {
    case ..<1e3: "\(Int(value)) bytes"
    case ..<1e6: "\(fixed(value / 1e3, 1)) kB"
    case ..<1e9: "\(fixed(value / 1e6, 1)) MB"
    default: "\(fixed(value / 1e9, 2)) GB"
    }
  }
}
