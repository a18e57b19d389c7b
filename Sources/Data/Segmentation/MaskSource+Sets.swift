import Files
import Images

extension MaskSource {
  /// A list of a VOC devkit: `ImageSets/Segmentation/NAME.txt`, `JPEGImages/*`, and `SegmentationClass/*.png`, or the
  /// masks in `SegmentationClassAug`, where people put those of Hariharan et al. 2011.
  ///
  /// The classes are VOC's 21, unless a `classes.txt` lies in the devkit or beside the masks.
  static func voc(folder: String, split: String) throws(DatasetError) -> MaskSource {
    let list = "\(folder)/\(AnnotatedTask.segmentation.lists)/\(split).txt"
    let folders = ["SegmentationClass", "SegmentationClassAug"].map { folder + "/" + $0 }
      .filter { FileKind(FilePath($0)) == .folder }
    guard !folders.isEmpty else {
      throw .badFile(reason: "\(folder) has no SegmentationClass; put the masks there")
    }
    var masks: [MaskFiles] = []
    for folder in folders { masks.append(try MaskFiles(folder)) }
    let pictures = try VOCSet.pictures(folder)
    var listing = MaskListing()
    for line in try VOCSet.names(list, isName: { pictures[$0] != nil }) {
      // Some lists of the larger set have paths of image and mask.
      let name = line.contains("/") ? stem(of: line.lastPathPart) : line
      listing.add(
        name, path: pictures[name].map { "\(folder)/JPEGImages/\($0)" },
        mask: masks.lazy.compactMap { $0.path(name) }.first)
    }
    let classes = try ClassList.find(in: [folder] + folders)
    return MaskSource(
      kind: .voc, classNames: classes?.names ?? vocClasses, code: classes.map(MaskCode.init) ?? .numbers(21),
      colors: classes?.pictureColors ?? (classes == nil ? Array(ClassColors.voc.prefix(21)) : nil),
      listing: listing)
  }

  /// Of the challenge, in the order of its numbers.
  private static let vocClasses = [
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
  ]

  /// A split of Cityscapes: `leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png` and
  /// `gtFine/SPLIT/CITY/NAME_gtFine_labelIds.png`, or `…_labelTrainIds.png` where there are none of these.
  static func cityscapes(folder: String, split: String) throws(DatasetError) -> MaskSource {
    let pictures = "\(folder)/leftImg8bit/\(split)"
    let names = try CityscapesSet.names(pictures)
    func masks(_ ending: String) -> [String?] {
      names.map { name in
        let path = "\(folder)/gtFine/\(split)/\(name)_gtFine_\(ending).png"
        return FileKind(FilePath(path)) == .file ? path : nil
      }
    }
    let ids = masks("labelIds")
    let hasIDs = ids.contains { $0 != nil }
    let others = hasIDs && !ids.contains(nil) ? [] : masks("labelTrainIds")
    if hasIDs, let place = others.indices.first(where: { ids[$0] == nil && others[$0] != nil }) {
      throw .badFile(
        reason:
          "\(folder) has masks of label ids, but of \(names[place]) only one of train ids; make all masks with "
          + "one numbering")
    }
    var listing = MaskListing()
    for (place, name) in names.enumerated() {
      listing.add(
        name, path: "\(pictures)/\(name)\(CityscapesSet.suffix)", mask: hasIDs ? ids[place] : others[place])
    }
    return MaskSource(
      kind: .cityscapes, classNames: CityscapesLabel.evaluated.map(\.name),
      code: hasIDs ? .cityscapesIDs : .cityscapesTrainIDs, colors: CityscapesLabel.colors, listing: listing)
  }

  /// A folder of images and one of masks with the same stems. The classes are in a `classes.txt` in the masks' folder,
  /// or beside it.
  static func folders(
    images: String, masks folder: String, _ options: SegmentationOptions
  ) throws(DatasetError) -> MaskSource {
    let (images, folder) = (images.withoutSlash, folder.withoutSlash)
    let masks = try MaskFiles(folder)
    let classes = try ClassList.find(in: [folder, folder.parentFolder])
    guard let code = classes.map(MaskCode.init) ?? options.code,
      let names = classes?.names ?? options.classNames
    else {
      throw .badFile(
        reason:
          "\(folder) has no classes.txt; write one there with a class a line, in the order of the masks' numbers, "
          + "the background too")
    }
    var pictures: [String: String] = [:]
    var listing = MaskListing()
    let listed = try FolderListing(images)
    let hasImage = listed.files.contains(where: hasImageExtension)
    if !hasImage, !listed.folders.isEmpty {
      let names = examples(files: [], folders: listed.folders).joined(separator: ", ")
      throw .badFile(
        reason:
          "\(images) has no image itself, but folders: \(names). Images of images/@masks/ lie in one folder; join "
          + "several with +, as \(images)/\(listed.folders[0])@MASKS+…")
    }
    for name in listed.files where hasImageExtension(name) {
      if let other = pictures[stem(of: name)] {
        throw .badFile(
          reason: "\(images)/\(name) and \(images)/\(other) have one mask between them; keep one of them")
      }
      pictures[stem(of: name)] = name
      listing.add(stem(of: name), path: "\(images)/\(name)", mask: masks.path(stem(of: name)))
    }
    try checkNames(images, pictures, folder, masks)
    for stem in masks.stems where pictures[stem] == nil {
      listing.add(stem, path: nil, mask: masks.path(stem))
    }
    return MaskSource(
      kind: .folder, classNames: names, code: code, colors: classes?.pictureColors, listing: listing)
  }
}

extension MaskSource {
  /// Where names have an addition, as `a_mask.png`, none fits.
  ///
  /// - Throws: ``DatasetError`` where there are images and masks, and no mask has an image's name.
  private static func checkNames(
    _ images: String, _ pictures: [String: String], _ folder: String, _ masks: MaskFiles
  ) throws(DatasetError) {
    let stems = masks.stems
    guard let first = stems.first, let mask = masks.path(first),
      !stems.contains(where: { pictures[$0] != nil }),
      let image = pictures.values.min(by: { $0.precedesInBytes($1) })
    else { return }
    throw .badFile(
      reason:
        "none of the \(counted(stems.count, "mask")) of \(folder) has the name of an image of \(images): the mask of "
        + "\(image) is to be \(stem(of: image)).png, and the first mask is \(mask.lastPathPart). Rename the masks"
    )
  }
}

extension ClassList {
  /// Nil where the list has none.
  fileprivate var pictureColors: [SIMD3<UInt8>]? { colors.isEmpty ? nil : colors }
}
