import Files

/// Why an object or an image is not in a detection set, or what is odd about one that is.
public enum AnnotationFault: String, Codable, Sendable, CaseIterable {
  // Objects that are left out.
  case withoutBox, notFinite, inverted, empty, outside
  case unknownImage, unknownCategory, unknownClass
  case withoutMask, twoPoints, runLengths, maskSize, emptyMask
  case keypointCount
  // Objects that training leaves out by its rules.
  case crowd
  // Images that are left out.
  case missingImage, repeatedImage, withoutAnnotations, noObject, noUsableObject, noKeypoint
  case withoutMaskFile, maskWithoutImage
  // What is kept all the same.
  case corners, boxOfMask, rectangle, lostPolygon, overEdge, repeatedID, zeroID, missingID

  public enum Role: Sendable {
    case object, image
    /// Nothing is left out.
    case remark
  }

  public var role: Role {
    switch self {
    case .withoutBox, .notFinite, .inverted, .empty, .outside, .unknownImage, .unknownCategory, .unknownClass,
      .withoutMask, .twoPoints, .runLengths, .maskSize, .emptyMask, .keypointCount, .crowd:
      .object
    case .missingImage, .repeatedImage, .withoutAnnotations, .noObject, .noUsableObject, .noKeypoint,
      .withoutMaskFile, .maskWithoutImage:
      .image
    case .corners, .boxOfMask, .rectangle, .lostPolygon, .overEdge, .repeatedID, .zeroID, .missingID: .remark
    }
  }

  /// Whether the files are at fault, and not a rule of training.
  public var isFault: Bool {
    switch self {
    case .crowd, .noObject, .noKeypoint: false
    case .withoutAnnotations: true
    default: role != .remark
    }
  }

  /// "2 boxes without area".
  func text(_ count: Int) -> String {
    let (one, many, rest) = words
    return counted(count, one, many) + " " + rest
  }

  private var words: (one: String, many: String, rest: String) {
    switch self {
    case .withoutBox: ("object", "objects", "without a box of four numbers")
    case .notFinite: ("box", "boxes", "with a number that is not finite")
    case .inverted: ("box", "boxes", "whose right or lower edge comes before the other")
    case .empty: ("box", "boxes", "without area")
    case .outside: ("box", "boxes", "outside of the image")
    case .unknownImage: ("object", "objects", "of an image that the file does not list")
    case .unknownCategory: ("object", "objects", "of a category that the file does not list")
    case .unknownClass: ("object", "objects", "of a class that the training set does not have")
    case .withoutMask: ("object", "objects", "without a mask")
    case .twoPoints: ("object", "objects", "whose polygons have fewer than three points")
    case .runLengths: ("mask", "masks", "whose run lengths do not add up")
    case .maskSize: ("mask", "masks", "of another size than the image")
    case .emptyMask: ("mask", "masks", "without a pixel")
    case .keypointCount:
      ("object", "objects", "with another number of keypoints than the category, or one that is no place")
    case .crowd: ("crowd", "crowds", "(not trained on)")
    case .missingImage: ("image", "images", "whose file is not there")
    case .repeatedImage: ("image", "images", "listed twice")
    case .withoutAnnotations: ("image", "images", "without a file of annotations")
    case .noObject: ("image", "images", "without an object")
    case .noUsableObject: ("image", "images", "without a usable object")
    case .noKeypoint: ("image", "images", "without a visible keypoint")
    case .withoutMaskFile: ("image", "images", "without a mask")
    case .maskWithoutImage: ("mask", "masks", "without an image")
    case .corners: ("box", "boxes", "read as corners, because no box fits as width and height")
    case .boxOfMask: ("box", "boxes", "taken from the mask, because none is given")
    case .rectangle: ("polygon", "polygons", "of four numbers read as the object's box")
    case .lostPolygon: ("polygon", "polygons", "of fewer than three points beside good ones")
    case .overEdge: ("box", "boxes", "cut at the image's edge")
    case .repeatedID: ("annotation id", "annotation ids", "that came before")
    case .zeroID: ("annotation id", "annotation ids", "of 0")
    case .missingID: ("annotation", "annotations", "without an id")
    }
  }
}

/// What is not in a detection set, by kind, with a few places of each.
public struct AnnotationsLeftOut: Sendable, Equatable, Codable {
  public private(set) var counts: [AnnotationFault: Int] = [:]
  /// The first three of each kind.
  public private(set) var places: [AnnotationFault: [String]] = [:]

  public init() {}

  public var isEmpty: Bool { counts.isEmpty }

  /// Whether something is missing by a fault of the files.
  public var isLoss: Bool { counts.keys.contains(where: \.isFault) }

  public subscript(fault: AnnotationFault) -> Int { counts[fault] ?? 0 }

  package mutating func add(_ fault: AnnotationFault, _ place: @autoclosure () -> String) {
    counts[fault, default: 0] += 1
    if places[fault, default: []].count < 3 { places[fault, default: []].append(place()) }
  }

  /// Takes over what is left out of another part.
  mutating func add(_ other: AnnotationsLeftOut) {
    for (fault, count) in other.counts {
      counts[fault, default: 0] += count
      places[fault] = Array(((places[fault] ?? []) + (other.places[fault] ?? [])).prefix(3))
    }
  }

  /// - Parameters:
  ///   - all: How many there are of which these are left out, and `what` they are.
  ///   - matches: The faults that count.
  /// - Throws: ``DatasetError`` where it is more than a share.
  func check(
    _ matches: (AnnotationFault) -> Bool, of all: Int, _ what: String, allowed: Fraction, _ spec: String
  ) throws(DatasetError) {
    let lost = total(matches)
    guard Double(lost) > allowed.value * Double(all) else { return }
    throw .badFile(
      reason: "\(grouped(lost)) of \(counted(all, what)) of \(spec) cannot be used, more than \(allowed): "
        + lines(matches).prefix(3).joined(separator: "; ")
        + "; correct the annotations, or allow more with --max-left-out")
  }

  package func total(_ matches: (AnnotationFault) -> Bool) -> Int {
    counts.reduce(0) { $0 + (matches($1.key) ? $1.value : 0) }
  }

  /// A line for each kind, the most frequent first: "2 boxes without area: image 00338, object 13; …".
  public func lines(_ matches: (AnnotationFault) -> Bool = { _ in true }) -> [String] {
    sorted.filter(matches).map { fault in
      let shown = places[fault] ?? []
      return fault.text(self[fault]) + ": " + shown.joined(separator: "; ")
        + (self[fault] > shown.count ? " …" : "")
    }
  }

  /// "2 boxes without area, 1 image listed twice": what is left out, the most frequent first.
  public var text: String {
    sorted.filter { $0.role != .remark }.map { $0.text(self[$0]) }.joined(separator: ", ")
  }

  private var sorted: [AnnotationFault] {
    counts.keys.sorted { self[$0] != self[$1] ? self[$0] > self[$1] : $0.rawValue < $1.rawValue }
  }
}
