import Images

extension Dataset {
  /// At most `count` of the images, evenly spaced, with their names and labels.
  public func subset(to count: Int) -> Dataset {
    precondition(count > 0, "count = \(count) must be at least 1")
    guard count < self.count else { return self }
    let total = self.count
    return keeping((0..<count).map { $0 * total / count })
  }

  /// Only these of the images, in this order, with their names and labels. Of packed shards, which are read in
  /// sequence only, none can be chosen.
  public func keeping(_ kept: [Int]) -> Dataset {
    precondition(shards?.isRandomAccess ?? true, "single images of packed shards cannot be read")
    return Dataset(
      ChosenSamples(all: samples, kept: kept), format: format, split: split, classNames: classNames,
      decoder: decoder)
  }
}

private struct ChosenSamples: SampleSource {
  let all: any SampleSource
  let kept: [Int]

  var count: Int { kept.count }
  func label(_ index: Int) -> Int? { all.label(kept[index]) }
  func name(_ index: Int) -> String { all.name(kept[index]) }
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    try all.file(kept[index], using: scratch)
  }
  func image(_ index: Int) throws -> RGBImage { try all.image(kept[index]) }
}
