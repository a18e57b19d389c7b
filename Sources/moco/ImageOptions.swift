import ArgumentParser
import Files
import Models
import Torch

/// How images become a network's input, where its file does not state it or states something else.
struct ImageOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Mean of the levels 0 to 1: red,green,blue, or one for all. The network's own unless given.",
      valueName: "levels"))
  var mean: Values<Double>?
  @Option(help: ArgumentHelp("Standard deviation of the levels, likewise.", valueName: "levels"))
  var std: Values<Double>?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Pixels of an image's side; the network's own unless given.", valueName: "n"))
  var imageSize: Int?
  @Option(
    help: ArgumentHelp(
      "The shorter side before the centre is cut out, in pixels (256), the share of it that is cut out (0.9), or "
        + "squash.", valueName: "resize"))
  var resize: Resizing?
  @Option(help: "The filter of resizing: bilinear or bicubic.")
  var interpolation: Interpolation?

  /// A network with what the options say about its images.
  /// - Throws: `UsageError`.
  func applied(to spec: EncoderSpec) throws -> EncoderSpec {
    if let imageSize, spec.arch.isTransformer, imageSize != spec.imageSize {
      throw UsageError(
        "--image-size \(imageSize): the positions of this \(spec.arch.rawValue) are those of images of "
          + "\(spec.imageSize) pixels. Leave it out.")
    }
    var spec = spec
    spec.imageSize = imageSize ?? spec.imageSize
    if let mean { spec.normalization.mean = Self.three(mean.all) }
    if let std { spec.normalization.std = Self.three(std.all) }
    spec.resizing = resize ?? spec.resizing
    spec.interpolation = interpolation ?? spec.interpolation
    if let problem = spec.problem { throw UsageError("--\(problem)") }
    return spec
  }

  private static func three(_ values: [Double]) -> [Double] {
    values.count == 1 ? [Double](repeating: values[0], count: 3) : values
  }

  /// The options that must be equal on all ranks.
  var claims: [(name: String, value: String)] {
    [
      ("--mean", mean?.defaultValueDescription), ("--std", std?.defaultValueDescription),
      ("--image-size", imageSize.map(String.init)), ("--resize", resize?.description),
      ("--interpolation", interpolation?.rawValue),
    ].compactMap { name, value in value.map { (name, $0) } }
  }
}

extension Resizing: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
