import Files
import Models
import Torch

/// The rule for a first convolution that does not read three channels.
public enum StemChannels: String, Codable, Sendable, CaseIterable {
  /// Each of the three channels gets a third of the sum over the file's: an image that is the same in all channels has
  /// the features that it had.
  case sum
  /// The first three are kept as they are, as red, green and blue; the others are dropped.
  case first

  /// Channels of an image.
  static let count = 3
  /// The first convolutions of the networks.
  static let convolutions = ["conv1.weight", "patch_embed.proj.weight", "patch_embed.proj.0.weight"]

  /// outputs×channels×h×w → outputs×3×h×w
  func adapt(_ weight: Tensor) -> Tensor {
    switch self {
    case .sum:
      let shape = weight.shape
      let mean = weight.to(.float32).sum(dim: 1, keepDim: true) / Double(Self.count)
      return mean.expanded([shape[0], Self.count, shape[2], shape[3]]).contiguous().to(weight.dtype)
    case .first: return weight.narrowed(0..<Self.count, dim: 1).contiguous()
    }
  }

  /// A sentence's end that says what was done to `channels`.
  func words(from channels: Int) -> String {
    switch self {
    case .sum where channels == 1:
      "its 1 channel is spread over 3, a third each: a gray image has the same features"
    case .sum:
      "of its \(channels) channels each of 3 gets a third of the sum: a gray image has the same features"
    case .first: "the first 3 of its \(channels) channels are kept, as red, green and blue"
    }
  }
}

/// A first convolution of another number of channels.
struct StemAdaptation {
  /// By the network's name.
  let name: String
  let channels: Int
  let rule: StemChannels

  /// Nil where the network reads three channels.
  /// - Parameter shapes: changed to three channels.
  init?(_ shapes: inout [String: [Int]], rule: StemChannels?, source: (String) -> String, path: String) throws
  {
    guard let name = StemChannels.convolutions.first(where: { shapes[$0] != nil }), var shape = shapes[name],
      shape.count == 4, shape[1] != StemChannels.count, (1...1024).contains(shape[1])
    else { return nil }
    let channels = shape[1]
    func failure(_ what: String) -> InterchangeError {
      InterchangeError(
        path: path,
        problem: .noEncoder(
          "\(source(name)) reads \(channels) channel\(channels == 1 ? "" : "s"), and images here have 3. \(what)"
        ))
    }
    guard let rule else {
      throw failure(
        channels < StemChannels.count
          ? "Spread \(channels == 1 ? "it" : "their sum") over the three with --channels sum."
          : "Keep the first three, as red, green and blue, with --channels first, or spread their sum over the three "
            + "with --channels sum.")
    }
    guard rule == .sum || channels > StemChannels.count else {
      throw failure("There are no three to keep: use --channels sum.")
    }
    shape[1] = StemChannels.count
    shapes[name] = shape
    (self.name, self.channels, self.rule) = (name, channels, rule)
  }
}
