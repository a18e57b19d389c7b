import Torch

extension EncoderSpec {
  /// The largest side of an image, in pixels.
  package static let largestSide = 8192

  /// A sentence that begins with the name of a value that no network can have; nil where there is none. A spec may come
  /// from a file or a command line.
  package var problem: String? { networkProblem ?? imageProblem }

  private var networkProblem: String? {
    if let heads {
      guard arch.isTransformer else {
        return "heads \(heads): \(arch.rawValue) is no vision transformer and has no heads."
      }
      if let problem = problemOfHeads(heads, channels: arch.featureSize, of: arch.rawValue) {
        return problem
      }
    }
    if let stemPadding {
      guard stemName == Stem.cifar.rawValue else {
        return "stem-padding \(stemPadding): only a 3×3 stem has a choice, not the \(stemName) stem."
      }
      guard (0...2).contains(stemPadding) else {
        return "stem-padding \(stemPadding): 0 to 2 pixels around the 3×3 convolution."
      }
    }
    if pooling == .token, !arch.isTransformer {
      return "pooling token: \(arch.rawValue) is no vision transformer and has no class token."
    }
    return head?.problem
  }

  private var imageProblem: String? {
    guard (1...Self.largestSide).contains(imageSize) else {
      return "image-size \(imageSize): 1 to \(Self.largestSide) pixels."
    }
    guard imageSize.isMultiple(of: arch.patchSize) else {
      return
        "image-size \(imageSize): \(arch.rawValue) cuts images into patches of \(arch.patchSize) pixels; give a "
        + "multiple of \(arch.patchSize)."
    }
    for (name, values) in [("mean", normalization.mean), ("std", normalization.std)] {
      let text = values.map { "\($0)" }.joined(separator: ",")
      guard values.count == 3 else {
        return "\(name) \(text): give three numbers, of red, green and blue, or one for all."
      }
      guard values.allSatisfy({ $0 <= 1 && (name == "std" ? $0 > 0 : $0 >= 0) }) else {
        return name == "std"
          ? "std \(text): deviations of levels from 0 to 1 lie above 0 and up to 1; divide those of 0 to 255 by 255."
          : "mean \(text): levels lie between 0 and 1 here; divide those of 0 to 255 by 255."
      }
    }
    guard let resizing, let side = resizing.shortSide(of: imageSize) else { return nil }
    guard side >= imageSize else {
      return
        "resize \(resizing): the centre of \(imageSize) pixels does not fit into it; give at least \(imageSize)."
    }
    return side <= Self.largestSide
      ? nil : "resize \(resizing): the shorter side would have more than \(Self.largestSide) pixels."
  }

  /// How images become the network's input, in a line.
  package var imageSummary: String {
    "images of \(imageSize) pixels, \(resizingSummary), mean \(list(normalization.mean)), std "
      + list(normalization.std)
  }

  /// For example `shorter side 256, bilinear`.
  package var resizingSummary: String {
    let filter = (interpolation ?? .bilinear).rawValue
    return switch resizing {
    case .squash: "squashed, \(filter)"
    case let resizing?: "shorter side \(resizing.shortSide(of: imageSize) ?? imageSize), \(filter)"
    case nil: "shorter side \(evaluationShortSide(imageSize)) unless they have the size, \(filter)"
    }
  }

  private func list(_ values: [Double]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
}

extension Head {
  /// The same for the layers' sizes.
  fileprivate var problem: String? {
    let sizes =
      switch self {
      case .linear(let outputs), .mlp(let outputs): [outputs]
      case .biasedMLP(let hidden, let outputs): [hidden, outputs]
      case .normalizedMLP(let layers, let hidden, let outputs, _): [layers, hidden, outputs]
      }
    return sizes.allSatisfy((1...1 << 20).contains) ? nil : "head: sizes of \(sizes) are not possible."
  }
}

/// A sentence on heads of attention that channels do not divide into, with the nearest ones that they do; nil where they
/// do.
package func problemOfHeads(_ heads: Int, channels: Int, of owner: String) -> String? {
  guard heads < 1 || !channels.isMultiple(of: heads) else { return nil }
  let possible = (1...channels).filter { channels.isMultiple(of: $0) }
  let nearest = [possible.last { $0 < heads }, possible.first { $0 > heads }].compactMap { $0 }
  return "heads \(heads): the \(channels) channels of \(owner) do not divide into \(heads) heads. Give "
    + nearest.map(String.init).joined(separator: " or ") + "."
}
