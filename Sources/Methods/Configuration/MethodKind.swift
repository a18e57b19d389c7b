import Foundation
import Models

/// The description of a method, in the file of its algorithm: all that the rest of the program needs.
public struct MethodKind: Sendable {
  /// The value of the key `method`.
  public let name: String
  /// The mechanism, if a method has several.
  public var mechanism: Mechanism?
  /// Whether it has a queue of keys.
  public var hasQueue = false
  /// The keys it uses, in addition to those of the network and the loop.
  public let keys: [PartialKeyPath<MethodKeys> & Sendable]
  /// The layers behind the encoder's features; nil where there are none.
  public let head: @Sendable (RunConfig) -> Head?
  /// Makes the method with initial weights.
  public let make: @Sendable (RunConfig, MethodContext) -> any Method
  /// The course of the loss.
  public let expectedLoss: @Sendable (RunConfig, RunFacts) -> ExpectedLoss
  /// Its settings in one line.
  public var summary: @Sendable (RunConfig, RunFacts) -> String = { _, _ in "" }
  /// The question for the accuracy of a step; nil if there is none.
  public var answer: Answer?
  /// The likely cause of collapsed features, and a remedy.
  public var collapseCause: @Sendable (RunConfig, RunFacts) -> String = { _, facts in
    "Probable causes: \(facts.highRate), or images that hardly differ."
  }
  /// The likely shortcut if answers are right but features do not improve, and a remedy.
  public let shortcutCause: @Sendable (RunConfig, RunFacts) -> String
  /// Warnings about legal but risky settings.
  public var warnings: @Sendable (RunConfig, RunFacts) -> [String] = { _, _ in [] }

  /// Whether it uses parts of an image: it then needs a residual network and images of at least 16 pixels.
  public var cutsImages = false
  /// Whether its features are trained on the unit sphere, so that a rank of 3 means a collapse.
  public var trainsOnSphere = true
  /// The number of views of an image that it needs.
  public var views = 2
  /// The fewest images of a forward pass: two where they are normalised or compared together.
  public var fewestImages = 2
  /// Whether it hides patches of a vision transformer's images.
  public var masksPatches = false
  /// The first weights and positions of a vision transformer.
  public var transformerStart = VisionTransformer.Start.mocoV3
  /// AdamW's β₂.
  public var beta2 = 0.999
  /// Whether weight decay by AdamW is on biases and normalisations too.
  public var decaysVectors = true
  /// Whether a ResNet's residual blocks start as the identity.
  public var zeroResiduals = false
  /// Whether the cosine schedule changes the learning rate at every step, instead of every epoch.
  public var schedulesPerStep = false
  /// The number of forward passes of an encoder in a step, or in one of its parts: views that are encoded
  /// together are one.
  public let passes: @Sendable (RunConfig) -> Int
  /// The numbers that every rank sends to all others in a step. `view` is the bytes of one view of an image.
  public var exchanges: @Sendable (_ config: RunConfig, _ view: Int) -> [Exchange] = { _, _ in [] }
  /// The size of the features in the loss.
  public var featureSize: @Sendable (RunConfig) -> Int = { $0.mocoDim }

  /// Numbers that every rank sends to all others.
  public struct Exchange: Sendable, Equatable {
    public let name: String
    /// In a step, for each of the rank's images.
    public let bytesPerImage: Int
    /// Whether the gradients of all that was sent are added up over the ranks.
    public var hasGradient = false
    /// Whether they are images, which are gathered on every rank.
    public var isImages = false

    /// `numbers` of float32 for each image.
    static func keys(_ numbers: Int, hasGradient: Bool = false) -> Exchange {
      Exchange(name: "keys", bytesPerImage: 4 * numbers, hasGradient: hasGradient)
    }

    /// The keys' images, to be shuffled.
    static func images(_ bytes: Int) -> Exchange {
      Exchange(name: "images (ShuffleBN)", bytesPerImage: bytes, isImages: true)
    }

    /// The rows of a memory bank: new features, and the images' numbers.
    static func rows(_ config: RunConfig) -> [Exchange] {
      [.keys(config.mocoDim), Exchange(name: "rows' numbers", bytesPerImage: 8)]
    }
  }

  /// The question of a step's accuracy.
  public enum Answer: Sendable {
    /// Whether the positive key has the highest score.
    case positiveKey
    /// A task on each image separately.
    case task

    /// The name of its curve.
    public var curve: String { self == .task ? "task answered right" : "positive found first" }
  }

  /// Whether it has a key encoder, a moving average of the query encoder.
  public var hasKeyEncoder: Bool { keys.contains { $0 == \MethodKeys.mocoM } }
  public var isPretext: Bool { answer == .task }
}

extension RunConfig {
  /// The description of the configured method.
  public var kind: MethodKind {
    let named = MethodKind.all.filter { $0.name == self.method.rawValue }
    guard let kind = named.first(where: { $0.mechanism == self.mechanism }) ?? named.first else {
      preconditionFailure("there is no method \(self.method.rawValue)")
    }
    return kind
  }
}

/// The numbers of a run for descriptions and messages.
public struct RunFacts: Sendable {
  /// The number of images in the data set.
  public var images: Int
  /// The number of images per step, over all ranks.
  public var batchSize: Int
  /// The number of images per forward pass, over all ranks.
  public var passSize: Int
  public var lr: Double
  public var ranks: Int
  /// The pixels of a view's side.
  public var imageSize: Int

  public init(images: Int, batchSize: Int, passSize: Int, lr: Double, ranks: Int, imageSize: Int) {
    (self.images, self.batchSize, self.passSize) = (images, batchSize, passSize)
    (self.lr, self.ranks, self.imageSize) = (lr, ranks, imageSize)
  }

  var highRate: String { "a learning rate that is too high (--lr, now \(lr))" }
  var againstMemorising: String { "Try stronger --views or a lower --lr (now \(lr))." }
}

/// The expected loss of a method: its start and its course.
public struct ExpectedLoss: Sendable {
  /// The loss if all answers are equally likely.
  public var chance: Double?
  /// The formula of ``chance``.
  public var formula = ""
  /// About the lowest loss: every key equals its query and the negatives are spread evenly.
  public var uniform: Double?
  /// The number of keys that a query is compared with, without its own.
  public var negatives: Int?
  /// The course after the start, one or more sentences.
  public var course = ""

  public init(chance: Double? = nil, formula: String = "", course: String = "") {
    (self.chance, self.formula, self.course) = (chance, formula, course)
  }

  /// For a query among `negatives` keys of size `moco-dim`, at the temperature `moco-t`.
  /// - Parameter scale: The factor of the loss.
  public init(negatives: Int, scale: Double = 1, formula: String, course: String = "", _ config: RunConfig) {
    self.negatives = negatives
    chance = scale * InfoNCE.chanceLoss(negatives: negatives)
    let even =
      scale * InfoNCE.uniformLoss(negatives: negatives, dimension: config.mocoDim, temperature: config.mocoT)
    uniform = even.isFinite ? even : nil  // not finite if the temperature is too small for a Double
    (self.formula, self.course) = (formula, course)
  }

  /// One or more sentences for the user.
  public var text: String {
    guard let chance else { return course.isEmpty ? "the loss falls from its start." : course }
    let start = "loss of a guess: \(formula) = \(String(format: "%.2f", chance))"
    if !course.isEmpty { return "\(start). \(course)" }
    return start + (formula.contains("N") ? "; N is the batch." : "")
  }
}

extension Head {
  /// The head for contrasted keys: one linear layer (v1), or with `mlp` a hidden layer before it (v2).
  static func ofKey(_ config: RunConfig) -> Head {
    config.mlp ? .mlp(outputs: config.mocoDim) : .linear(outputs: config.mocoDim)
  }
}
