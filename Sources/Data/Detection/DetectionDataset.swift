import Files
import Images
import Torch

/// Images with the objects in them, for detection, instance segmentation and keypoints. Everything but the pixels is
/// known once it is open, and every object has passed the ``AnnotationPolicy``.
///
/// ```swift
/// let train = try DetectionDataset.open("VOC2007:trainval+VOC2012:trainval")
/// let test = try DetectionDataset.open("VOC2007:test", .testing(like: train))
/// ```
public struct DetectionDataset: Sendable {
  /// The rules of the files that it was read from.
  public enum Kind: String, Codable, Sendable {
    case voc, coco, lvis, cityscapes

    /// As people write it.
    public var name: String {
      switch self {
      case .voc: "VOC"
      case .coco: "COCO"
      case .lvis: "LVIS"
      case .cityscapes: "Cityscapes"
      }
    }
  }

  /// An image without its pixels.
  public struct Image: Sendable, Equatable {
    public let path: String
    /// Its name in the annotations: a COCO file's `file_name`, the stem of a VOC file.
    public let name: String
    /// COCO's; in other kinds its place, counted from 1.
    public let id: Int
    /// Pixels, as it is shown.
    public let height: Int
    public let width: Int
    /// Of LVIS alone.
    public let federated: FederatedRules?

    package init(
      path: String, name: String, id: Int, height: Int, width: Int, federated: FederatedRules? = nil
    ) {
      (self.path, self.name, self.id, self.height, self.width) = (path, name, id, height, width)
      self.federated = federated
    }

    /// Whether it is wider than high; batches hold images of one orientation.
    public var isWide: Bool { width > height }
  }

  /// For which categories, by their ids in the file, LVIS has looked in an image.
  public struct FederatedRules: Sendable, Equatable {
    /// Looked for and absent.
    public var negative: [Int]
    /// Marked in part only.
    public var notExhaustive: [Int]

    public init(negative: [Int], notExhaustive: [Int]) {
      (self.negative, self.notExhaustive) = (negative, notExhaustive)
    }
  }

  /// As it was given.
  public let spec: String
  public let kind: Kind
  public let classNames: [String]
  /// The number of each class in the files, which results are written with.
  public let categoryIDs: [Int]
  /// Without points where the files have none, or none were wanted.
  public let keypoints: KeypointLayout
  /// Whether the files have masks, kept or not.
  public let hasMasks: Bool
  public let images: [Image]
  private let table: ObjectTable
  public let leftOut: AnnotationsLeftOut
  package let decoder: ImageDecoder

  package init(
    spec: String, kind: Kind, classNames: [String], categoryIDs: [Int], keypoints: KeypointLayout,
    hasMasks: Bool, images: [Image], table: ObjectTable, leftOut: AnnotationsLeftOut, decoder: ImageDecoder
  ) {
    precondition(
      classNames.count == categoryIDs.count && images.count == table.count,
      "\(classNames.count) classes with \(categoryIDs.count) ids, \(images.count) images with objects of \(table.count)"
    )
    (self.spec, self.kind, self.classNames, self.categoryIDs) = (spec, kind, classNames, categoryIDs)
    (self.keypoints, self.images, self.table, self.leftOut) = (keypoints, images, table, leftOut)
    (self.hasMasks, self.decoder) = (hasMasks, decoder)
  }

  public var count: Int { images.count }
  public var objectCount: Int { table.objectCount }

  /// The objects of an image, in the order of their file.
  public func objects(_ image: Int) -> [AnnotatedObject] { table[image] }

  /// The classes in an image, each once, ascending.
  public func classes(_ image: Int) -> [Int] { table.classes(image) }

  /// Only these of the images, in this order.
  public func subset(_ indices: [Int]) -> DetectionDataset {
    var some = ObjectTable()
    for index in indices { some.append(table[index]) }
    return DetectionDataset(
      spec: spec, kind: kind, classNames: classNames, categoryIDs: categoryIDs, keypoints: keypoints,
      hasMasks: hasMasks, images: indices.map { images[$0] }, table: some, leftOut: leftOut, decoder: decoder)
  }

  /// One line for people: "292 images, 3 classes, 4,236 objects, VOC".
  public var summary: String {
    "\(counted(count, "image")), \(counted(classNames.count, "class", "classes")), "
      + "\(counted(objectCount, "object")), \(kind.name)"
  }

  /// Objects and images of each class.
  public var classCounts: [(objects: Int, images: Int)] {
    var counts = Array(repeating: (objects: 0, images: 0), count: classNames.count)
    for image in 0..<count {
      table.forEachClass(image) { counts[$0].objects += 1 }
      for index in classes(image) { counts[index].images += 1 }
    }
    return counts
  }
}

/// "1 image", "1,234 images".
package func counted(_ number: Int, _ one: String, _ many: String? = nil) -> String {
  "\(grouped(number)) \(number == 1 ? one : many ?? one + "s")"
}

/// How a detection set is opened.
public struct DetectionOptions: Sendable {
  public enum Use: Sendable {
    /// Crowds, and images without a usable object, are left out.
    case training
    /// All images stay.
    case testing
  }

  public var use: Use
  /// Whether objects need a mask. Without, masks are not kept.
  public var masks: Bool
  /// Whether objects have keypoints, and images need a visible one.
  public var keypoints: Bool
  /// The classes that the numbers of objects stand for, as in the training set; nil takes those of the files.
  public var classNames: [String]?
  /// The share of objects, or of images, that may be left out by faults.
  public var maxLeftOut: Fraction
  /// Its orientation is on by default, as in the published implementation.
  public var decoder: ImageDecoder
  /// Threads that read annotations.
  public var workers: Int

  public init(
    use: Use = .training, masks: Bool = false, keypoints: Bool = false, classNames: [String]? = nil,
    maxLeftOut: Fraction = Fraction(value: 0.5),
    decoder: ImageDecoder = ImageDecoder(appliesOrientation: true), workers: Int = 1
  ) {
    (self.use, self.masks, self.keypoints, self.classNames) = (use, masks, keypoints, classNames)
    (self.maxLeftOut, self.decoder, self.workers) = (maxLeftOut, decoder, workers)
  }

  /// For a test of a network that was trained on `train`.
  public static func testing(
    like train: DetectionDataset, masks: Bool = false, keypoints: Bool = false
  ) -> DetectionOptions {
    DetectionOptions(
      use: .testing, masks: masks, keypoints: keypoints, classNames: train.classNames, decoder: train.decoder)
  }
}
