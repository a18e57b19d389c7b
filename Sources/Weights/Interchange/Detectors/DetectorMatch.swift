import Files
import Models
import Torch

/// The tensors of a detector beside those of a file.
public struct DetectorMatch: Sendable, Equatable {
  public struct Misshapen: Sendable, Equatable {
    public let name: String
    /// In the file, and in the detector.
    public let found, wanted: [Int]
  }

  /// Tensors that both have, by detectron2's names, in the detector's order.
  public internal(set) var matched: [String] = []
  /// Of the encoder inside the detector: in the file, and in all.
  public internal(set) var encoderMatched = 0
  public internal(set) var encoderCount = 0
  /// Of the detector, not in the file: they keep their values. Counters of batch normalisation are not listed.
  public internal(set) var missing: [String] = []
  /// In both, with different shapes; they keep their values. So are the scores of other classes.
  public internal(set) var misshapen: [Misshapen] = []
  /// Of the file, by its names, without a place in the detector.
  public internal(set) var unused: [String] = []
  /// Sentences without their full stop.
  public internal(set) var notes: [String] = []

  /// Whether the file has all of the detector, as a test of it needs.
  public var isComplete: Bool { missing.isEmpty && misshapen.isEmpty }

  /// "265 of 271 tensors matched, all 265 of the backbone among them."
  public var summary: String {
    let all = matched.count + missing.count + misshapen.count
    return "\(grouped(matched.count)) of \(grouped(all)) tensors matched, "
      + (encoderMatched == encoderCount ? "all" : "\(grouped(encoderMatched)) of the")
      + " \(grouped(encoderCount)) of the backbone among them."
  }

  /// What did not match, by name: a line for each kind.
  public var details: [String] {
    func line(_ names: [String], _ what: String) -> String? {
      names.isEmpty ? nil : "\(grouped(names.count)) \(what): \(names.joined(separator: ", "))"
    }
    let shapes = misshapen.map { "\($0.name) \($0.found), not \($0.wanted)" }
    return [
      line(missing, "not in the file, left at their starting values"),
      line(shapes, "of another shape, left at their starting values"),
      line(unused, "of the file without a place in the detector"),
    ].compactMap { $0 } + notes.map { $0 + "." }
  }
}

extension DetectorWeights {
  /// A tensor of a detector's state and the file's tensor for it.
  struct Pair {
    let entry: Module.Entry
    let source: Source
  }

  /// Pairs a detector's state with the file.
  /// - Parameter detectronName: detectron2's name of a tensor of the state.
  func pairs(
    _ state: [Module.Entry], detectronName: (String) -> String
  ) -> (match: DetectorMatch, pairs: [Pair]) {
    var match = DetectorMatch()
    var pairs: [Pair] = []
    var used: Set<String> = []
    for entry in state {
      let name = detectronName(entry.name)
      let encoderName = DetectorNames.encoderName(of: entry.name)
      let isCounter = DetectorNames.isCounter(entry.name)
      if encoderName != nil, !isCounter { match.encoderCount += 1 }
      let source = kind == .detector ? sources[name] : encoderName.flatMap { sources[$0] }
      guard let source else {
        if !isCounter { match.missing.append(name) }
        continue
      }
      used.insert(source.name)
      guard source.shape == entry.tensor.shape else {
        match.misshapen.append(.init(name: name, found: source.shape, wanted: entry.tensor.shape))
        continue
      }
      match.matched.append(name)
      if encoderName != nil, !isCounter { match.encoderMatched += 1 }
      pairs.append(Pair(entry: entry, source: source))
    }
    match.unused = sources.values.map(\.name).filter { !used.contains($0) }.sorted()
    return (match, pairs)
  }

  /// Copies into a detector's state all that match, if the whole encoder is among them; otherwise nothing.
  func load(
    into state: [Module.Entry], detectronName: (String) -> String, pixelMean: [Double], pixelStd: [Double]
  ) throws -> DetectorMatch {
    var (match, pairs) = pairs(state, detectronName: detectronName)
    match.notes = notes(pixelMean: pixelMean, pixelStd: pixelStd)
    try checkEncoder(match, state)
    for pair in pairs {
      let read = try pair.source.read()
      try withTorchErrors {
        withNoGrad { pair.entry.tensor.copy(from: read.to(pair.entry.tensor.dtype)) }
      }
    }
    return match
  }

  private func notes(pixelMean: [Double], pixelStd: [Double]) -> [String] {
    [("pixel_mean", pixelMean), ("pixel_std", pixelStd)].compactMap { name, own in
      guard let stated = pixels[name], zip(stated, own).contains(where: { abs($0 - $1) > 0.01 }) else {
        return nil
      }
      return "the file's weights are for images with \(name) \(stated), and this detector's with \(own)"
    }
  }

  /// - Throws: ``InterchangeError`` where a tensor of the encoder is not in the file: training would begin with random
  ///   weights, and no error would show it.
  private func checkEncoder(_ match: DetectorMatch, _ state: [Module.Entry]) throws {
    guard match.encoderMatched < match.encoderCount else { return }
    let names = Set(state.map(\.name).filter { DetectorNames.encoderName(of: $0) != nil })
    let count = grouped(match.encoderCount - match.encoderMatched)
    var problem = "\(count) of the \(grouped(match.encoderCount)) tensors of the backbone did not match"
    let own = Set(names.map(GeneralizedRCNN.detectron2Name))
    if let first = match.misshapen.first(where: { own.contains($0.name) }) {
      problem +=
        ", such as \(first.name), of shape \(first.found) in the file and \(first.wanted) in the detector"
    } else if let first = match.missing.first(where: own.contains) {
      problem += ", such as \(first), which the file does not have"
    }
    throw InterchangeError(
      path: path,
      problem: .noEncoder(problem + ". Give weights of the same architecture, or --init random."))
  }
}

extension DetectorWeights {
  /// Copies into a detector all that match by name and shape.
  /// - Throws: ``InterchangeError`` where the backbone is not all there; then nothing has changed. `FileError`.
  public func load(into detector: GeneralizedRCNN) throws -> DetectorMatch {
    try load(
      into: detector.state, detectronName: GeneralizedRCNN.detectron2Name,
      pixelMean: detector.spec.pixelMean, pixelStd: detector.spec.pixelStd)
  }
}
