import Torch

/// The class, objects or mask of an image. All images of a data set have annotations of one kind.
///
/// Places are in pixels of the image as it is stored, not of a view of it: x grows to the right, y downwards, and the
/// upper left corner of the upper left pixel is (0, 0).
public enum Annotation: Sendable, Equatable {
  case none
  /// The image's class, an index into ``Dataset/classNames``.
  case `class`(Int)
  /// The objects in it, for detection, instance segmentation and pose estimation; there may be none.
  case objects([AnnotatedObject])
  /// A class for each pixel.
  case semantic(SemanticMask)

  /// The class where the image as a whole has one.
  public var classIndex: Int? { if case .class(let index) = self { index } else { nil } }
}

/// An object in an image.
public struct AnnotatedObject: Sendable, Equatable {
  public var box: BoundingBox
  /// An index into ``Dataset/classNames``.
  public var classIndex: Int
  /// A region of many objects that are not separated (COCO's `iscrowd`).
  public var isCrowd: Bool
  /// Hard to recognize, which evaluation leaves out (VOC's `difficult`).
  public var isDifficult: Bool
  /// The area that evaluation sorts it by, in pixels: COCO's `area`, that of the mask. Nil where none is given.
  public var area: Double?
  public var mask: InstanceMask?
  /// In the data set's order of keypoints; empty without them.
  public var keypoints: [Keypoint]

  public init(
    box: BoundingBox, classIndex: Int, isCrowd: Bool = false, isDifficult: Bool = false, area: Double? = nil,
    mask: InstanceMask? = nil, keypoints: [Keypoint] = []
  ) {
    (self.box, self.classIndex, self.isCrowd, self.isDifficult) = (box, classIndex, isCrowd, isDifficult)
    (self.area, self.mask, self.keypoints) = (area, mask, keypoints)
  }
}

/// A rectangle by its upper left and lower right corners (XYXY).
public struct BoundingBox: Sendable, Equatable {
  public var x0: Double
  public var y0: Double
  public var x1: Double
  public var y1: Double

  public init(x0: Double, y0: Double, x1: Double, y1: Double) {
    (self.x0, self.y0, self.x1, self.y1) = (x0, y0, x1, y1)
  }

  /// From COCO's form (XYWH).
  public init(x: Double, y: Double, width: Double, height: Double) {
    self.init(x0: x, y0: y, x1: x + width, y1: y + height)
  }

  public var width: Double { x1 - x0 }
  public var height: Double { y1 - y0 }
  /// 0 for a box without width or height, which is wrong in a file but occurs.
  public var area: Double { max(0, width) * max(0, height) }
}

/// A joint or another marked point of an object.
public struct Keypoint: Sendable, Equatable {
  /// The values of COCO.
  public enum Visibility: Int, Sendable {
    case unlabeled, hidden, visible
  }

  public var x: Double
  public var y: Double
  public var visibility: Visibility

  public init(x: Double, y: Double, visibility: Visibility) {
    (self.x, self.y, self.visibility) = (x, y, visibility)
  }
}

/// A class for each pixel of an image.
public enum SemanticMask: Sendable, Equatable {
  /// A picture whose levels, or indices into a palette, are the classes. It is read when it is needed.
  case file(String)
  /// `height` rows of `width` classes.
  case bytes(height: Int, width: Int, [UInt8])
}
