import Files

/// Collects the images and objects of a detection set, and drops the images that training cannot use.
struct DetectionBuilder {
  let options: DetectionOptions
  let classNames: [String]
  let keypoints: KeypointLayout
  var policy: AnnotationPolicy
  private var images: [DetectionDataset.Image] = []
  private var table = ObjectTable()
  private var paths: Set<String> = []
  private let classIndices: [String: Int]
  /// Images of the files, repeated ones left out.
  private var offered = 0

  init(_ options: DetectionOptions, classNames: [String], keypoints: KeypointLayout) {
    (self.options, self.classNames, self.keypoints) = (options, classNames, keypoints)
    policy = AnnotationPolicy(options)
    classIndices = Dictionary(classNames.enumerated().map { ($1, $0) }) { first, _ in first }
  }

  /// Nil where the training set does not have the class.
  func classIndex(_ name: String) -> Int? { classIndices[name] }

  /// The place of the next image, counted from 1: the id of images without one.
  var nextID: Int { images.count + 1 }

  /// Whether an image's file is there and came for the first time; otherwise it is counted as left out.
  ///
  /// - Parameters:
  ///   - path: Nil where no file was found.
  ///   - name: For people.
  mutating func takes(_ path: String?, _ name: @autoclosure () -> String) -> Bool {
    if let path, !paths.insert(path).inserted {
      policy.add(.repeatedImage, name())
      return false
    }
    offered += 1
    if path == nil { policy.add(.missingImage, name()) }
    return path != nil
  }

  /// Adds an image.
  ///
  /// - Parameters:
  ///   - objects: Those that passed the policy.
  ///   - annotated: How many the file has.
  mutating func add(_ image: DetectionDataset.Image, _ objects: [AnnotatedObject], annotated: Int) {
    guard options.use == .training else {
      images.append(image)
      table.append(objects)
      return
    }
    let usable = objects.filter { !$0.isCrowd }
    for _ in usable.count..<objects.count { policy.add(.crowd, "image \(image.name)") }
    if usable.isEmpty {
      policy.add(
        annotated == 0 ? .noObject : objects.isEmpty ? .noUsableObject : .noObject, image.name)
      return
    }
    if options.keypoints,
      !usable.contains(where: { $0.keypoints.contains { $0.visibility != .unlabeled } })
    {
      policy.add(.noKeypoint, image.name)
      return
    }
    images.append(image)
    table.append(usable)
  }

  /// - Throws: ``DatasetError`` where too much is left out.
  func finish(
    _ spec: String, kind: DetectionDataset.Kind, categoryIDs: [Int], hasMasks: Bool
  ) throws(DatasetError) -> DetectionDataset {
    let leftOut = policy.leftOut
    guard offered > 0 else { throw .badFile(reason: "\(spec) lists no image; give a set with images in it") }
    try leftOut.check(
      { $0.role == .object && $0.isFault }, of: policy.objects, "object", allowed: options.maxLeftOut, spec)
    // Images whose objects have no visible keypoint are more than half of COCO's, by the rule of training.
    try leftOut.check(
      { $0.role == .image && $0 != .noKeypoint && $0 != .repeatedImage }, of: offered, "image",
      allowed: options.maxLeftOut, spec)
    guard !images.isEmpty else {
      throw .badFile(reason: "\(spec) has no image that can be used: \(leftOut.text)")
    }
    return DetectionDataset(
      spec: spec, kind: kind, classNames: classNames, categoryIDs: categoryIDs, keypoints: keypoints,
      hasMasks: hasMasks, images: images, table: table, leftOut: leftOut, decoder: options.decoder)
  }
}
