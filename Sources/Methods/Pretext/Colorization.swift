import Models
import Torch

/// Colorization: "Colorful Image Colorization" (Zhang, Isola, Efros 2016, section 2.1). From the lightness L of an image the
/// network predicts the colours a, b of each of its cells, as one of 313 classes.
///
/// Here the network is the encoder to keep, with a head on the cells of its last map, which are coarser than the
/// paper's, and rare colours weigh as much as others.
public final class Colorization: Module, Method {
  /// Behind each cell of the last map: a class of colours.
  public static let classifier = Head.mlp(outputs: ColorBins.published.count)

  public let encoderQ: ImageEncoder
  public let predictor: Module
  private let normalization: Normalization

  /// - Parameters:
  ///   - predictor: The layers of ``classifier``, on the encoder's device.
  ///   - normalization: Of the views.
  ///   - encoder: A residual network with initial weights; its head is not used.
  public init(predictor: Module, normalization: Normalization, encoder: ImageEncoder) {
    self.predictor = predictor
    self.normalization = normalization
    encoderQ = encoder
  }

  /// Each view counts as an image.
  public func forward(_ batch: ViewBatch) -> StepOutput {
    let lab = normalization.lab(of: batch.concatenated)  // 2N×3×H×W
    let maps = encoderQ.backbone.featureMaps(normalization.lightness(lab))
    let map = maps[maps.count - 1]  // 2N×F×h×w
    let logits = predictor(rows(of: map))  // 2N·h·w×313
    let ab = rows(of: averaged(lab.narrowed(1..<3, dim: 1), like: map))  // 2N·h·w×2
    let targets = ColorBins.published.softTargets(ab)  // 2N·h·w×313
    let embedding = l2Normalized(globalAveragePool2d(map.detached()))  // 2N×F
    return StepOutput(
      loss: softTargetCrossEntropy(logits, targets), logits: logits, targets: targets.argMax(dim: 1),
      features: halves(embedding))
  }

  /// The cells of all images: B×C×h×w → B·h·w×C.
  private func rows(of map: Tensor) -> Tensor {
    let cells = cells(of: map)  // B×h·w×C
    return cells.reshaped([-1, cells.shape.last ?? 1])
  }

  /// The mean colours of the pixels around each cell, by the resizing's antialiasing: B×2×H×W → B×2×h×w.
  private func averaged(_ colors: Tensor, like map: Tensor) -> Tensor {
    guard map.isDefined else { return map }
    return resizedBilinear(colors, height: map.shape[2], width: map.shape[3])
  }
}

extension Normalization {
  /// Lab of views: N×3×H×W → N×3×H×W.
  func lab(of views: Tensor) -> Tensor { Torch.lab(sRGB: levels(of: views).clamped(0, 1)) }

  /// L of Lab as the input of a network for colour images: N×3×H×W → N×3×H×W.
  ///
  /// L/100 stands for the level of red, green and blue, which are then normalised as those of any image. So the trained
  /// network takes colour images; a gray picture's L/100 is within 0.04 of its level.
  func lightness(_ lab: Tensor) -> Tensor {
    normalized(lab.narrowed(0..<1, dim: 1) / 100).contiguous(.channelsLast)
  }
}

/// Classes of colours: points of a grid over a and b of Lab.
struct ColorBins: Sendable, Equatable {
  /// The steps of the grid.
  static let grid = 10
  /// (a, b) of each class.
  let centers: [[Double]]

  var count: Int { centers.count }

  /// - Parameter columns: The values of b at each a, from the lowest to the highest.
  init(_ columns: [(a: Int, b: ClosedRange<Int>)]) {
    centers = columns.flatMap { a, b in
      stride(from: b.lowerBound, through: b.upperBound, by: Self.grid).map { [Double(a), Double($0)] }
    }
  }

  /// The 313 of the published code. sRGB has no colours near some at the edge.
  static let published = ColorBins([
    (-90, 50...90), (-80, 20...90), (-70, 0...90), (-60, -20...90), (-50, -30...100), (-40, -40...100),
    (-30, -50...100), (-20, -50...100), (-10, -60...100), (0, -70...100), (10, -80...90), (20, -80...90),
    (30, -90...90), (40, -100...90), (50, -100...80), (60, -110...80), (70, -110...80), (80, -110...70),
    (90, -110...70), (100, -90...0),
  ])

  /// The nearest classes of colours, weighted by a Gaussian of the distance. Classes as far as the last of them count
  /// too.
  ///
  /// - Parameters:
  ///   - colors: a, b: P×2.
  ///   - nearest: The number of classes. (The published training code takes 10.)
  ///   - deviation: σ.
  /// - Returns: P×``count``, rows of sum 1.
  func softTargets(_ colors: Tensor, nearest: Int = 5, deviation: Double = 5) -> Tensor {
    let grid = Tensor(centers.flatMap(\.self), shape: [count, 2], on: colors.device).to(colors.dtype)
    // Squares of differences, because a matrix product might round to bfloat16.
    let squares = (0..<2).map { axis in
      (colors.narrowed(axis..<axis + 1, dim: 1) - grid.selected(axis, dim: 1)).pow(2)
    }
    let closeness = -(squares[0] + squares[1])  // P×313: −d²
    let last = closeness.topK(nearest, dim: 1).values.min(dim: 1, keepDim: true)  // P×1
    let excluded = Tensor.full(-1e9, [], dtype: colors.dtype, on: colors.device)
    let scaled = closeness / (2 * deviation * deviation)
    return softmax(Tensor.where(closeness .>= last, scaled, excluded), dim: 1)
  }
}

extension Colorization {
  public static let kind = MethodKind(
    name: "colorization", keys: [], head: { _ in nil },
    make: { config, context in make(config, context, encoder: context.encoder()) },
    expectedLoss: { _, _ in
      ExpectedLoss(
        chance: chanceLoss, formula: "log(313)",
        course: "It falls towards the entropy of the soft targets, not to 0.")
    },
    answer: .task,
    collapseCause: { _, facts in "Probable causes: \(facts.highRate), or images without colours." },
    shortcutCause: { _, _ in Rotation.lateLayers }, cutsImages: true, trainsOnSphere: false,
    passes: { _ in 1 }, featureSize: { $0.arch.featureSize })

  static let chanceLoss = InfoNCE.chanceLoss(negatives: ColorBins.published.count - 1)

  static func make(_ config: RunConfig, _ context: MethodContext, encoder: ImageEncoder) -> Colorization {
    Colorization(
      predictor: context.layers(classifier, inputs: config.arch.featureSize),
      normalization: context.normalization, encoder: encoder)
  }
}
