import Files
import Images

/// A part of a segmentation set whose masks are files.
struct MaskSource: Sendable {
  let kind: SegmentationDataset.Kind
  let classNames: [String]
  let code: MaskCode
  /// Nil leaves them to the masks' palette.
  let colors: [SIMD3<UInt8>]?
  let listing: MaskListing
}

/// Images and masks that belong together, and what is missing.
struct MaskListing: Sendable {
  private(set) var images: [SegmentationDataset.Image] = []
  private(set) var leftOut = AnnotationsLeftOut()
  /// Images, and masks without one; repeated ones left out.
  private var offered = 0
  private var paths: Set<String> = []

  /// - Parameters:
  ///   - path: Nil where no file was found.
  ///   - mask: Nil without a file.
  mutating func add(_ name: String, path: String?, mask: String?) {
    if let path, !paths.insert(path).inserted {
      leftOut.add(.repeatedImage, name)
      return
    }
    offered += 1
    guard let path else { return leftOut.add(mask == nil ? .missingImage : .maskWithoutImage, mask ?? name) }
    guard let mask else { return leftOut.add(.withoutMaskFile, path) }
    images.append(SegmentationDataset.Image(path: path, name: name, mask: mask))
  }

  mutating func add(_ other: MaskListing) {
    for image in other.images { add(image.name, path: image.path, mask: image.mask) }
    offered += other.offered - other.images.count
    leftOut.add(other.leftOut)
  }

  /// - Throws: ``DatasetError`` where too much is left out.
  func finish(_ spec: String, _ maxLeftOut: Fraction) throws(DatasetError) -> [SegmentationDataset.Image] {
    guard offered > 0 else { throw .badFile(reason: "\(spec) lists no image; give a set with images in it") }
    try leftOut.check(
      { $0.role == .image && $0 != .repeatedImage }, of: offered, "image", allowed: maxLeftOut, spec)
    guard !images.isEmpty else {
      throw .badFile(reason: "\(spec) has no image that can be used: \(leftOut.text)")
    }
    return images
  }
}

/// The files of masks in a folder, by their stems.
struct MaskFiles {
  private let folder: String
  private let names: [String: String]

  /// - Throws: ``DatasetError`` for a folder that cannot be read, a JPEG among the masks, or two files of one stem.
  init(_ folder: String) throws(DatasetError) {
    self.folder = folder
    var names: [String: String] = [:]
    for name in try FolderListing(folder).files where hasImageExtension(name) {
      let path = folder + "/" + name
      guard !["jpg", "jpeg"].contains(fileEnding(name) ?? "") else {
        throw .badFile(
          reason:
            "\(path) is a JPEG, whose compression changes the numbers of pixels; save the masks as PNG, gray or "
            + "with a palette, from the program that made them")
      }
      if let other = names[stem(of: name)] {
        throw .badFile(
          reason: "\(path) and \(folder)/\(other) are masks of one image; keep one of them")
      }
      names[stem(of: name)] = name
    }
    self.names = names
  }

  var stems: [String] { names.keys.sorted { $0.precedesInBytes($1) } }

  func path(_ stem: String) -> String? { names[stem].map { folder + "/" + $0 } }
}

/// A file's name without its ending.
func stem(of name: String) -> String { String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)]) }
