import Files
import Images

extension SegmentationDataset {
  /// Opens VOC devkits, Cityscapes, folders of images and masks, and COCO files, such as `VOC2012:train`,
  /// `cityscapes/:val`, `images/@masks/`, `train.json@images/`; a plus sign joins sets of the same classes.
  ///
  /// - Throws: ``DatasetError``: for files that cannot be read or contradict themselves, and where more is left out than
  ///   the options allow. What is left out below that is in ``leftOut``.
  public static func open(
    _ spec: String, _ options: SegmentationOptions = SegmentationOptions()
  ) throws(DatasetError) -> SegmentationDataset {
    let parts = try AnnotatedPart.parse(spec, for: .segmentation)
    if case .coco = parts[0] { return try openCOCO(spec, parts, options) }
    var sources: [MaskSource] = []
    for part in parts {
      switch part {
      case .voc(let folder, let split):
        sources.append(try .voc(folder: folder, split: split))
      case .cityscapes(let folder, let split): sources.append(try .cityscapes(folder: folder, split: split))
      case .pair(let images, let masks):
        sources.append(try .folders(images: images, masks: masks, options))
      case .coco: throw mixed(spec)
      }
    }
    return try joined(sources, spec, options)
  }

  private static func mixed(_ spec: String) -> DatasetError {
    .badFile(reason: "\(spec) joins sets of different kinds; + joins VOC with VOC, folders with folders")
  }

  private static func joined(
    _ sources: [MaskSource], _ spec: String, _ options: SegmentationOptions
  ) throws(DatasetError) -> SegmentationDataset {
    let first = sources[0]
    var listing = MaskListing()
    for source in sources {
      guard source.kind == first.kind else { throw mixed(spec) }
      guard source.classNames == first.classNames, source.code == first.code else {
        throw .badFile(
          reason: "the parts of \(spec) have different classes: \(list(first.classNames)); "
            + "\(list(source.classNames)). Join sets of the same classes")
      }
      listing.add(source.listing)
    }
    if let wanted = options.classNames, wanted != first.classNames {
      throw .badFile(
        reason: "\(spec) has other classes than the training set: \(list(first.classNames)); "
          + "the training set has \(list(wanted)). Give it the same list")
    }
    let images = try listing.finish(spec, options.maxLeftOut)
    let seen = images.lazy.compactMap(\.mask).first.flatMap { peek($0, options.decoder.limits) }
    if let fault = seen.flatMap({ first.code.refusal(of: $0.stored) }) {
      throw .badFile(reason: "\(seen?.path ?? spec): \(fault)")
    }
    let palette = seen.flatMap(MaskReader.Palette.init)
    let reader = MaskReader(first.code, limits: options.decoder.limits, palette: palette)
    return SegmentationDataset(
      spec: spec, kind: first.kind, classNames: first.classNames,
      palette: first.colors ?? colors(of: first.classNames, palette), images: images,
      leftOut: listing.leftOut, decoder: options.decoder, masks: .files(reader))
  }

  /// The first mask, if it can be read; otherwise the loader lists it.
  private static func peek(_ path: String, _ limits: DecodeLimits) -> (path: String, stored: StoredPixels)? {
    (try? StoredPixels(contentsOf: path, limits: limits, colors: true)).map { (path, $0) }
  }

  private static func colors(
    of classNames: [String], _ palette: MaskReader.Palette?
  ) -> [SIMD3<UInt8>] {
    let own = palette?.colors ?? []
    return classNames.indices.map { $0 < own.count ? own[$0] : ClassColors.voc[$0] }
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " … (\(names.count))" : "")
  }

  // MARK: - COCO

  private static func openCOCO(
    _ spec: String, _ parts: [AnnotatedPart], _ options: SegmentationOptions
  ) throws(DatasetError) -> SegmentationDataset {
    let isCOCO = parts.allSatisfy { if case .coco = $0 { true } else { false } }
    guard isCOCO else { throw mixed(spec) }
    // Crowds stay, because their pixels are ignored and no background.
    var objects = try DetectionDataset.open(
      spec,
      DetectionOptions(
        use: .testing, masks: true, classNames: options.classNames.map { Array($0.dropFirst()) },
        maxLeftOut: options.maxLeftOut, decoder: options.decoder, workers: options.workers))
    guard objects.classNames.count < LabelMap.ignored else {
      throw .badFile(
        reason:
          "\(spec) has \(objects.classNames.count) categories; with the background \(LabelMap.ignored) classes "
          + "are the most, because \(LabelMap.ignored) is the number of ignored pixels")
    }
    var leftOut = objects.leftOut
    if options.use == .training {
      let used = (0..<objects.count).filter { !objects.objects($0).allSatisfy(\.isCrowd) }
      let kept = Set(used)
      for index in 0..<objects.count where !kept.contains(index) {
        leftOut.add(.noObject, "image \(objects.images[index].name)")
      }
      guard !used.isEmpty else {
        throw .badFile(reason: "\(spec) has no image with an object that can be used: \(leftOut.text)")
      }
      objects = objects.subset(used)
    }
    let names = ["background"] + objects.classNames
    return SegmentationDataset(
      spec: spec, kind: .coco, classNames: names, palette: Array(ClassColors.voc.prefix(names.count)),
      images: objects.images.map { Image(path: $0.path, name: $0.name, mask: nil) }, leftOut: leftOut,
      decoder: options.decoder, masks: .objects(objects))
  }
}

extension MaskCode {
  /// The fault of a mask whose kind does not go with the code.
  fileprivate func refusal(of stored: StoredPixels) -> MaskFault? {
    switch (self, stored.kind) {
    case (.colors(_, let list), .gray): .numbersWithColors(list: list)
    case (.colors, _): nil
    case (_, .colors): .colorsWithoutList
    default: nil
    }
  }
}

extension MaskReader.Palette {
  /// Nil for a mask without a palette of its own.
  fileprivate init?(_ mask: (path: String, stored: StoredPixels)) {
    guard case .palette(let colors) = mask.stored.kind, !isGray(colors) else { return nil }
    self.init(path: mask.path, colors: colors)
  }
}
