import Foundation
import Models

/// The description of a method, beside its algorithm: everything that the rest of the program must know of it.
public struct MethodKind: Sendable {
  /// The value of the key `method`.
  public let name: String
  /// Where a method has several mechanisms: which one this is.
  public var mechanism: Mechanism?
  /// The keys it uses beside those of the network and the loop.
  public let keys: [PartialKeyPath<MethodKeys> & Sendable]
  /// The layers behind the encoder's features.
  public let head: @Sendable (RunConfig) -> Head
  /// The method with fresh weights.
  public let make: @Sendable (RunConfig, MethodContext) -> any Method
  /// The course of the loss.
  public let expectedLoss: @Sendable (RunConfig, RunFacts) -> ExpectedLoss
  /// Its numbers in a line.
  public var summary: @Sendable (RunConfig, RunFacts) -> String = { _, _ in "" }
  /// The question whose right answers a step counts; nil where there is none.
  public var answer: Answer?
  /// The likely cause of collapsed features, and a remedy.
  public var collapseCause: @Sendable (RunConfig, RunFacts) -> String = { _, facts in
    "Probable causes: \(facts.highRate), or images that hardly differ."
  }
  /// The likely shortcut where answers are right and features do not get better, and a remedy.
  public let shortcutCause: @Sendable (RunConfig, RunFacts) -> String
  /// Warnings about legal but risky settings.
  public var warnings: @Sendable (RunConfig, RunFacts) -> [String] = { _, _ in [] }

  /// Whether it looks at parts of an image: it then needs a residual network and images of at least 16 pixels.
  public var cutsImages = false
  /// Whether its features are trained on the unit sphere, so that a rank of 3 is a collapse.
  public var trainsOnSphere = true
  /// Whether a ResNet's residual blocks start as the identity.
  public var zeroResiduals = false
  /// Whether the cosine schedule changes the learning rate in every step, and not in every epoch.
  public var schedulesPerStep = false
  /// The size of the features that are contrasted or compared.
  public var featureSize: @Sendable (RunConfig) -> Int = { $0.mocoDim }

  /// What a step's accuracy counts.
  public enum Answer: Sendable {
    /// The positive key is found among others.
    case positiveKey
    /// A task about each image by itself.
    case task

    /// The name of its curve.
    public var curve: String { self == .task ? "task answered right" : "positive found first" }
  }

  /// Whether a second encoder follows the first by a moving average.
  public var hasKeyEncoder: Bool { keys.contains { $0 == \MethodKeys.mocoM } }
  /// Whether its dictionary is a queue.
  public var hasQueue: Bool { mechanism == .queue }
  public var isPretext: Bool { answer == .task }
}

extension RunConfig {
  /// The description of its method.
  public var kind: MethodKind {
    let named = MethodKind.all.filter { $0.name == self.method.rawValue }
    guard let kind = named.first(where: { $0.mechanism == self.mechanism }) ?? named.first else {
      preconditionFailure("there is no method \(self.method.rawValue)")
    }
    return kind
  }
}

/// The numbers of a run that descriptions and messages name.
public struct RunFacts: Sendable {
  /// Images of the data set.
  public var images: Int
  /// Images of a step, of all ranks together.
  public var batchSize: Int
  /// Images of one forward pass, of all ranks together.
  public var passSize: Int
  public var lr: Double
  public var ranks: Int

  public init(images: Int, batchSize: Int, passSize: Int, lr: Double, ranks: Int) {
    (self.images, self.batchSize, self.passSize) = (images, batchSize, passSize)
    (self.lr, self.ranks) = (lr, ranks)
  }

  var highRate: String { "a learning rate that is too high (--lr, now \(lr))" }
  var againstMemorising: String { "Try stronger --views or a lower --lr (now \(lr))." }
}

/// The loss of a method: where it starts and where it goes.
public struct ExpectedLoss: Sendable {
  /// The loss where every answer is as likely as any other.
  public var chance: Double?
  /// The formula of ``chance``.
  public var formula = ""
  /// About as low as the loss goes: every key equals its query and the negatives are spread evenly.
  public var uniform: Double?
  /// The number of keys a query is compared with, its own not counted.
  public var negatives: Int?
  /// What follows the start, one or more sentences.
  public var course = ""

  public init(chance: Double? = nil, formula: String = "", course: String = "") {
    (self.chance, self.formula, self.course) = (chance, formula, course)
  }

  /// Of a query among `negatives` keys of size `moco-dim`, at the temperature `moco-t`.
  /// - Parameter scale: of the loss.
  public init(negatives: Int, scale: Double = 1, formula: String, course: String = "", _ config: RunConfig) {
    self.negatives = negatives
    chance = scale * InfoNCE.chanceLoss(negatives: negatives)
    let even =
      scale * InfoNCE.uniformLoss(negatives: negatives, dimension: config.mocoDim, temperature: config.mocoT)
    uniform = even.isFinite ? even : nil  // not finite where the temperature is too small for a Double
    (self.formula, self.course) = (formula, course)
  }

  /// One sentence or more for a user.
  public var text: String {
    guard let chance else { return course.isEmpty ? "the loss falls from its start." : course }
    let start = "loss of a guess: \(formula) = \(String(format: "%.2f", chance))"
    if !course.isEmpty { return "\(start). \(course)" }
    return start + (formula.contains("N") ? "; N is the batch." : "")
  }
}

extension Head {
  /// The head of a contrasted key: one linear layer (v1), or with `mlp` a hidden layer before it (v2).
  static func ofKey(_ config: RunConfig) -> Head {
    config.mlp ? .mlp(outputs: config.mocoDim) : .linear(outputs: config.mocoDim)
  }
}
