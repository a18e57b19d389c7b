import Files
import Images
import Torch

/// Images with a class for each pixel. The masks themselves are read when they are needed; `moco check` reads them all.
///
/// ```swift
/// let train = try SegmentationDataset.open("VOC2012:train")
/// let test = try SegmentationDataset.open("VOC2012:val", .testing(like: train))
/// ```
public struct SegmentationDataset: Sendable {
  /// The rules of the files that it was read from.
  public enum Kind: String, Codable, Sendable {
    case voc, cityscapes, folder, coco

    /// As people write it.
    public var name: String {
      switch self {
      case .voc: "VOC"
      case .cityscapes: "Cityscapes"
      case .folder: "masks in a folder"
      case .coco: "COCO"
      }
    }
  }

  /// An image without its pixels.
  public struct Image: Sendable, Equatable {
    public let path: String
    /// Its name in the set: the stem of its file, in Cityscapes with the city; a COCO file's `file_name`.
    public let name: String
    /// The file of its mask; nil where the mask is made of a COCO file's objects.
    public let mask: String?

    package init(path: String, name: String, mask: String?) {
      (self.path, self.name, self.mask) = (path, name, mask)
    }
  }

  /// Where masks come from.
  enum Masks: Sendable {
    case files(MaskReader)
    /// Images of the set with the same numbers.
    case objects(DetectionDataset)
  }

  /// As it was given.
  public let spec: String
  public let kind: Kind
  /// In the order of their numbers, the background too where the set has one.
  public let classNames: [String]
  /// Colours for pictures, one a class.
  public let palette: [SIMD3<UInt8>]
  public let images: [Image]
  public let leftOut: AnnotationsLeftOut
  package let decoder: ImageDecoder
  let masks: Masks

  init(
    spec: String, kind: Kind, classNames: [String], palette: [SIMD3<UInt8>], images: [Image],
    leftOut: AnnotationsLeftOut, decoder: ImageDecoder, masks: Masks
  ) {
    precondition(
      classNames.count <= Int(LabelMap.ignored) && palette.count == classNames.count,
      "\(classNames.count) classes with \(palette.count) colours")
    (self.spec, self.kind, self.classNames, self.palette) = (spec, kind, classNames, palette)
    (self.images, self.leftOut, self.decoder, self.masks) = (images, leftOut, decoder, masks)
  }

  public var count: Int { images.count }

  /// Only these of the images, in this order.
  public func subset(_ indices: [Int]) -> SegmentationDataset {
    let masks: Masks =
      switch masks {
      case .files: masks
      case .objects(let objects): .objects(objects.subset(indices))
      }
    return SegmentationDataset(
      spec: spec, kind: kind, classNames: classNames, palette: palette, images: indices.map { images[$0] },
      leftOut: leftOut, decoder: decoder, masks: masks)
  }

  /// One line for people: "1,464 images, 21 classes, VOC".
  public var summary: String {
    "\(counted(count, "image")), \(counted(classNames.count, "class", "classes")), \(kind.name)"
  }

  /// A checksum of the names of images, masks and classes, and of the objects that masks are made of.
  package var fingerprint: UInt32 {
    var sum: UInt32 = 0
    func add(_ bytes: [UInt8]) {
      let all = withUnsafeBytes(of: sum.littleEndian) { Array($0) } + bytes
      sum = all.withUnsafeBytes { crc32($0) }
    }
    add(Array(classNames.joined(separator: "\n").utf8))
    for (place, image) in images.enumerated() {
      add(Array("\(image.name)\n\(image.mask?.lastPathPart ?? "")".utf8))
      guard case .objects(let objects) = masks else { continue }
      for object in objects.objects(place) {
        let box = object.box
        [Double(object.classIndex), box.x0, box.y0, box.x1, box.y1].withUnsafeBytes { add(Array($0)) }
      }
    }
    return sum
  }

  // MARK: - Masks

  /// The mask of an image, in the classes' numbers.
  ///
  /// - Throws: ``ImageError``, ``MaskError``.
  public func labels(_ index: Int) throws -> LabelMap {
    switch masks {
    case .files(let reader):
      guard let path = images[index].mask else { preconditionFailure("image \(index) has no mask's file") }
      return try reader.read(path)
    case .objects(let objects):
      let image = objects.images[index]
      // Sizes are those of the file of annotations.
      let (pixels, isOver) = image.height.multipliedReportingOverflow(by: image.width)
      guard image.height > 0, image.width > 0 else {
        throw ImageError.inFile(path: image.path, .unreadable(reason: "its size is not known"))
      }
      guard !isOver, pixels <= min(decoder.limits.maxPixels, Int(Int32.max)) else {
        throw ImageError.inFile(
          path: image.path,
          .tooManyPixels(width: image.width, height: image.height, limit: decoder.limits.maxPixels))
      }
      return LabelMap(
        objects: objects.objects(index), height: image.height, width: image.width, background: 0)
    }
  }

  /// The number of a class in files of predictions: Cityscapes' label id, elsewhere the class itself.
  public func fileNumber(of label: UInt8) -> UInt8 {
    guard kind == .cityscapes, Int(label) < CityscapesLabel.evaluated.count else { return label }
    return UInt8(CityscapesLabel.evaluated[Int(label)].id)
  }
}

/// How a segmentation set is opened.
public struct SegmentationOptions: Sendable {
  public enum Use: Sendable {
    /// Images of a COCO file without an object are left out.
    case training
    /// All images stay.
    case testing
  }

  public var use: Use
  /// The classes that numbers stand for, as in the training set; nil takes those of the files.
  public var classNames: [String]?
  /// The share of images, or of objects, that may be left out by faults.
  public var maxLeftOut: Fraction
  /// Its orientation is on by default.
  public var decoder: ImageDecoder
  /// Threads that read.
  public var workers: Int
  /// How masks of a folder without a list of classes are read.
  var code: MaskCode?

  public init(
    use: Use = .training, classNames: [String]? = nil, maxLeftOut: Fraction = Fraction(value: 0.5),
    decoder: ImageDecoder = ImageDecoder(appliesOrientation: true), workers: Int = 1
  ) {
    (self.use, self.classNames, self.maxLeftOut) = (use, classNames, maxLeftOut)
    (self.decoder, self.workers) = (decoder, workers)
  }

  /// For a test of a network that was trained on `train`.
  public static func testing(like train: SegmentationDataset) -> SegmentationOptions {
    var options = SegmentationOptions(use: .testing, classNames: train.classNames, decoder: train.decoder)
    if case .files(let reader) = train.masks { options.code = reader.code }
    return options
  }
}
