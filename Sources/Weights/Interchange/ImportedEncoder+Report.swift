import Models

extension ImportedEncoder {
  /// A summary of an import.
  public struct Report: Codable, Sendable {
    public var arch: String
    public var stem: String
    public var head: String
    /// Of a vision transformer's attention.
    public var heads: Int?
    /// How images become the network's input, in words.
    public var images: String
    /// The library it comes from, as far as names show it.
    public var library: String?
    /// The beginning of the names of the encoder's tensors in the file.
    public var prefix: String
    /// That of the encoder that goes with it.
    public var partner: String?
    /// The number of the file's tensors that are the network's.
    public var tensors: Int
    /// In the file, without a place in the network.
    public var unmatched: [String]
    /// In the network, not in the file; 0 now.
    public var missing: [String]
    /// The number of tensors of the file's other parts.
    public var others: Int
    /// Kinds of objects that are no weights.
    public var leftUnread: [String]
    /// Sentences without their full stop.
    public var notes: [String]
  }

  public var report: Report {
    Report(
      arch: spec.arch.rawValue, stem: spec.stemName, head: head.rawValue,
      heads: spec.arch.isTransformer ? heads ?? Architecture.defaultHeads : nil, images: spec.imageSummary,
      library: library?.rawValue,
      prefix: prefix, partner: partner?.prefix, tensors: tensorCount, unmatched: unmatched, missing: filled,
      others: otherCount, leftUnread: leftUnread, notes: [channelNote, lookAlike].compactMap { $0 })
  }
}

/// Networks of timm that have the very tensors of one that is known here, and compute other features: they blur before
/// they take every second pixel.
struct LookAlike {
  let arch: Architecture
  let others: [String]

  init?(_ arch: Architecture) {
    switch arch {
    case .resnet18: others = ["resnetblur18"]
    case .resnet50: others = ["resnetaa50", "resnetblur50"]
    default: return nil
    }
    self.arch = arch
  }

  /// A sentence without its full stop where nothing shows which of them it is.
  /// - Parameter stated: the architecture that the file names.
  func note(stated: String?, library: WeightsLibrary?) -> String? {
    guard stated == nil, library == nil || library == .timm else { return nil }
    return
      "timm's \(others.joined(separator: " and ")) \(others.count == 1 ? "has" : "have") the same tensors as \(arch.rawValue) and "
      + "\(others.count == 1 ? "computes" : "compute") other features; nothing in the file shows which it is"
  }
}

extension HeadKind {
  /// Of a single linear layer only the encoder's name shows whether it is a classifier.
  init(_ head: Head?, prefix: String) {
    let names = ["encoder_q", "encoder_k", "base_encoder", "momentum_encoder"]
    self =
      switch head {
      case nil: .missing
      case .linear where !names.contains(prefix.split(separator: ".").last.map(String.init) ?? ""):
        .classifier
      default: .projection
      }
  }
}
