import Models
import Torch

/// Several tasks on one trunk: "Multi-task Self-Supervised Visual Learning" (Doersch, Zisserman 2017).
///
/// Relative position, colorization and exemplar each have a head of their own behind the pooled features, or the last
/// map, of one network; each passes its own input through it: patches, gray views, views. The loss is the weighted sum
/// of theirs. ``RelativePosition/Colors/lightness(_:)`` gives patches the input of colorization ("harmonised").
///
/// The paper's fourth task, motion, needs video and is left out. So is its lasso, by which each head combines the outputs
/// of several units of the trunk: here all read the last map. That all tasks make a step together is an own choice.
public final class MultiTask: Module, Method {
  /// The factors of the tasks' losses.
  public struct Weights: Sendable, Equatable {
    public var relativePosition: Double
    public var colorization: Double
    public var exemplar: Double

    public init(relativePosition: Double = 1, colorization: Double = 1, exemplar: Double = 1) {
      (self.relativePosition, self.colorization) = (relativePosition, colorization)
      self.exemplar = exemplar
    }
  }

  /// The trunk, without a head.
  public let encoderQ: ImageEncoder
  public let relativePosition: RelativePosition?
  public let colorization: Colorization?
  public let exemplar: Exemplar?
  public let weights: Weights

  /// - Parameters:
  ///   - weights: Those of tasks that are not there are not used.
  ///   - trunk: A residual network with initial weights and without a head. The tasks' encoders have its backbone.
  public init(
    _ weights: Weights, trunk: ImageEncoder, relativePosition: RelativePosition?, colorization: Colorization?,
    exemplar: Exemplar?
  ) {
    self.weights = weights
    encoderQ = trunk
    (self.relativePosition, self.colorization) = (relativePosition, colorization)
    self.exemplar = exemplar
    super.init()
    precondition(!tasks.isEmpty, "several tasks without a task")
    precondition(
      tasks.allSatisfy { $0.method.encoderQ.backbone === trunk.backbone },
      "\(tasks.count) tasks with other backbones than the trunk's")
  }

  private var tasks: [(weight: Double, method: any Method)] {
    let all: [(Double, (any Method)?)] = [
      (weights.relativePosition, relativePosition), (weights.colorization, colorization),
      (weights.exemplar, exemplar),
    ]
    return all.compactMap { weight, method in method.map { (weight, $0) } }
  }

  /// Answers are those of the first task, features those of the last.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let outputs = tasks.map { (weight: $0.weight, output: $0.method.forward(batch)) }
    let losses = outputs.map { $0.output.loss * $0.weight }
    let (first, last) = (outputs[0].output, outputs[outputs.count - 1].output)
    return StepOutput(
      loss: Tensor.stacked(losses).sum(), logits: first.logits, targets: first.targets,
      features: last.features)
  }
}

extension MultiTask {
  public static let kind = MethodKind(
    name: "multi-task",
    keys: [
      \.mocoDim, \.mlp, \.relativePositionWeight, \.colorizationWeight, \.exemplarWeight, \.harmonize,
      \.tripletMargin,
    ],
    head: { _ in nil },
    make: { config, context in
      let trunk = context.encoder()
      func withHead() -> ImageEncoder {
        ImageEncoder(
          trunk.backbone, head: context.layers(Head.ofKey(config), inputs: config.arch.featureSize))
      }
      let weights = Weights(config)
      return MultiTask(
        weights, trunk: trunk,
        relativePosition: weights.relativePosition > 0
          ? RelativePosition.make(config, context, encoder: withHead) : nil,
        colorization: weights.colorization > 0
          ? Colorization.make(config, context, encoder: trunk) : nil,
        exemplar: weights.exemplar > 0 ? Exemplar.make(config, encoder: withHead()) : nil)
    },
    expectedLoss: { config, _ in expectedLoss(config) },
    summary: { config, _ in Weights(config).parts.map { "\($0.task) × \($0.weight)" }.joined(separator: ", ")
    },
    answer: .task, collapseCause: Rotation.unanswerable, shortcutCause: { _, _ in Rotation.lateLayers },
    cutsImages: true, trainsOnSphere: false, passes: { Weights($0).parts.count },
    featureSize: { $0.exemplarWeight > 0 || $0.colorizationWeight == 0 ? $0.mocoDim : $0.arch.featureSize })

  /// The sum of the tasks' losses of a guess.
  private static func expectedLoss(_ config: RunConfig) -> ExpectedLoss {
    let guesses: [(weight: Double, loss: Double, formula: String)] = [
      (config.relativePositionWeight, RelativePosition.chanceLoss, "log(8)"),
      (config.colorizationWeight, Colorization.chanceLoss, "log(313)"),
      (config.exemplarWeight, config.tripletMargin, "\(config.tripletMargin)"),
    ]
    let used = guesses.filter { $0.weight > 0 }
    return ExpectedLoss(
      chance: used.reduce(0) { $0 + $1.weight * $1.loss },
      formula: used.map { $0.weight == 1 ? $0.formula : "\($0.weight)·\($0.formula)" }
        .joined(separator: " + "))
  }
}

extension MultiTask.Weights {
  init(_ config: RunConfig) {
    self.init(
      relativePosition: config.relativePositionWeight, colorization: config.colorizationWeight,
      exemplar: config.exemplarWeight)
  }

  /// The tasks that are not left out.
  fileprivate var parts: [(task: String, weight: Double)] {
    [
      ("relative position", relativePosition), ("colorization", colorization), ("exemplar", exemplar),
    ]
    .filter { $0.1 > 0 }.map { (task: $0.0, weight: $0.1) }
  }
}
