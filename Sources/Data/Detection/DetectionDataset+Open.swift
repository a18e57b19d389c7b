import Files

extension DetectionDataset {
  /// Opens VOC devkits, COCO and LVIS files and Cityscapes, such as `VOC2007:trainval+VOC2012:trainval`,
  /// `train.json@images/`, `cityscapes/:val`; a plus sign joins sets of the same classes.
  ///
  /// - Throws: ``DatasetError``: for files that cannot be read or contradict themselves, and where more is left out than
  ///   the options allow. What is left out below that is in ``leftOut``.
  public static func open(
    _ spec: String, _ options: DetectionOptions = DetectionOptions()
  ) throws(DatasetError) -> DetectionDataset {
    let parts = try AnnotatedPart.parse(spec)
    let sources = try opened(parts, options)
    guard let first = sources.first, sources.allSatisfy({ $0.kind == first.kind }) else {
      throw .badFile(reason: "\(spec) joins sets of different kinds; + joins VOC with VOC, COCO with COCO")
    }
    try check(first, options, spec)
    let names = try classNames(of: sources, options, spec)
    let keypoints = options.keypoints ? first.keypoints : .none
    var builder = DetectionBuilder(options, classNames: names, keypoints: keypoints)
    for source in sources {
      guard !options.keypoints || source.keypoints == keypoints else {
        throw .badFile(reason: "the parts of \(spec) have different keypoints; join sets with the same ones")
      }
      try source.read(into: &builder)
    }
    return try builder.finish(
      spec, kind: first.kind, categoryIDs: names.map(first.categoryID),
      hasMasks: sources.allSatisfy(\.hasMasks))
  }

  private static func opened(
    _ parts: [AnnotatedPart], _ options: DetectionOptions
  ) throws(DatasetError) -> [any DetectionSource] {
    var sources: [any DetectionSource] = []
    for part in parts {
      switch part {
      case .voc(let folder, let split): sources.append(try VOCSet(folder: folder, split: split, options))
      case .coco(let file, let images): sources.append(try COCOSet(file: file, images: images, options))
      case .cityscapes(let folder, let split):
        sources.append(try CityscapesSet(folder: folder, split: split, options))
      case .pair(let images, let masks):
        throw .badFile(
          reason: "\(images)@\(masks) has masks of classes, and no objects; it is for `moco segment`")
      }
    }
    return sources
  }

  private static func check(
    _ source: any DetectionSource, _ options: DetectionOptions, _ spec: String
  ) throws(DatasetError) {
    if options.masks, source.kind == .voc {
      throw .badFile(
        reason: "\(spec) has no masks, as VOC's annotations of objects are boxes; train without masks")
    }
    if options.keypoints, source.keypoints.count == 0 {
      throw .badFile(
        reason: "\(spec) has no keypoints: no category lists their names; give a COCO file of keypoints")
    }
  }

  /// The given classes, or those of all sources, which must have the same.
  private static func classNames(
    of sources: [any DetectionSource], _ options: DetectionOptions, _ spec: String
  ) throws(DatasetError) -> [String] {
    let own =
      sources.allSatisfy(\.isClosed)
      ? sources[0].classNames : Set(sources.flatMap(\.classNames)).sorted { $0.precedesInBytes($1) }
    if sources.allSatisfy(\.isClosed), let other = sources.first(where: { $0.classNames != own }) {
      throw .badFile(
        reason: "the parts of \(spec) have different classes: \(list(own)); \(list(other.classNames)). "
          + "Join sets of the same classes")
    }
    guard !own.isEmpty else { throw .badFile(reason: "\(spec) has no class; give a set with objects in it") }
    guard let wanted = options.classNames else { return own }
    let missing = wanted.filter { !own.contains($0) }
    guard missing.count < wanted.count else {
      throw .badFile(
        reason: "\(spec) has none of the training set's classes \(list(wanted)); its own are \(list(own))")
    }
    if !missing.isEmpty, sources.allSatisfy(\.isClosed) {
      throw .badFile(
        reason:
          "\(spec) lacks the training set's \(missing.count == 1 ? "class" : "classes") \(list(missing)); "
          + "its own are \(list(own))")
    }
    return wanted
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " … (\(names.count))" : "")
  }
}

/// A part of a detection set.
protocol DetectionSource {
  var kind: DetectionDataset.Kind { get }
  var classNames: [String] { get }
  /// Whether the classes are listed, and not those that happen to occur.
  var isClosed: Bool { get }
  var keypoints: KeypointLayout { get }
  var hasMasks: Bool { get }
  func categoryID(_ className: String) -> Int
  /// Adds its images.
  func read(into builder: inout DetectionBuilder) throws(DatasetError)
}
