import Files
import Images
import Torch

/// A COCO or LVIS file and the folder of its images.
///
/// An id of an annotation tells nothing here: annotations keep their place in the file.
struct COCOSet: DetectionSource {
  let kind: DetectionDataset.Kind
  let classNames: [String]
  let isClosed = true
  let keypoints: KeypointLayout
  let hasMasks: Bool
  private let file: COCOFile
  private let root: String
  private let options: DetectionOptions
  /// Places in ``classNames`` by the file's ids.
  private let classes: [Int: Int]
  private let ids: [String: Int]

  init(file path: String, images root: String?, _ options: DetectionOptions) throws(DatasetError) {
    file = try readingDataset(path) { try COCOFile(path) }
    self.options = options
    guard !file.images.isEmpty else { throw .badFile(reason: "\(path) lists no image; is it a COCO file?") }
    // Classes count from 0 in the order of their ids, as published.
    let categories = file.categories.sorted { $0.id < $1.id }
    for (one, next) in zip(categories, categories.dropFirst()) where one.id == next.id {
      throw .badFile(
        reason: "\(path) has two categories of the id \(one.id), `\(one.name)` and `\(next.name)`; "
          + "give each an id of its own")
    }
    classNames = categories.map(\.name)
    classes = Dictionary(uniqueKeysWithValues: categories.enumerated().map { ($1.id, $0) })
    ids = Dictionary(categories.map { ($0.name, $0.id) }) { first, _ in first }
    let layouts = categories.map(\.keypoints).filter { !$0.isEmpty }
    if options.keypoints, let first = layouts.first, layouts.contains(where: { $0 != first }) {
      throw .badFile(reason: "the categories of \(path) have different keypoints, and one list is needed")
    }
    keypoints = layouts.first.map(KeypointLayout.init) ?? .none
    kind = file.images.contains { $0.negativeCategoryIDs != nil } ? .lvis : .coco
    hasMasks = (0..<file.annotations.count).contains(where: file.annotations.hasSegmentation)
    self.root = root ?? Self.root(of: file)
  }

  func categoryID(_ className: String) -> Int { ids[className] ?? 0 }

  // MARK: - Images

  /// The first folder near the file that has one of the first images.
  private static func root(of file: COCOFile) -> String {
    let folder = file.path.contains("/") ? file.path.parentFolder : "."
    let stem = file.path.lastPathPart.split(separator: ".").dropLast().joined(separator: ".")
    let folders = [
      folder, folder + "/images", folder + "/" + stem, folder + "/../images", folder + "/../" + stem,
    ]
    return folders.first { folder in
      file.images.prefix(5).contains { Self.path(of: $0, in: folder) != nil }
    } ?? folder
  }

  /// The image's file. LVIS has web addresses in place of names, or names of 2014 for files of 2017; some tools write
  /// folders before names.
  private static func path(of image: COCOFile.Image, in root: String) -> String? {
    var names: [String] = []
    if let name = image.fileName {
      names.append(name)
      names.append(name.lastPathPart)
      if name.hasPrefix("COCO_") { names.append(String(name.suffix(16))) }
    }
    if let url = image.url {
      let parts = url.split(separator: "/").suffix(2)
      names += [parts.joined(separator: "/"), parts.last.map(String.init) ?? ""]
    }
    return names.lazy.filter { !$0.isEmpty }.map { FilePath(root, $0).text }.first {
      FileKind(FilePath($0)) == .file
    }
  }

  func read(into builder: inout DetectionBuilder) throws(DatasetError) {
    let members = try annotationsByImage(&builder)
    let form = try boxForm(members)
    var seenIDs: Set<Int> = []
    for (place, record) in file.images.enumerated() {
      let path = Self.path(of: record, in: root)
      let name = record.fileName ?? record.url?.lastPathPart ?? ""
      guard builder.takes(path, path ?? "\(root)/\(name)"), let path else { continue }
      let (height, width) = size(of: record, path)
      let image = DetectionDataset.Image(
        path: path, name: name, id: record.id, height: height, width: width, federated: record.federated)
      var objects: [AnnotatedObject] = []
      for index in members[place] {
        noteID(index, &seenIDs, &builder)
        if let object = judge(index, in: image, form, &builder, "\(name), annotation \(index + 1)") {
          objects.append(object)
        }
      }
      builder.add(image, objects, annotated: members[place].count)
    }
  }

  /// Places of the annotations of each image.
  private func annotationsByImage(_ builder: inout DetectionBuilder) throws(DatasetError) -> [[Int]] {
    var places: [Int: Int] = [:]
    for (place, image) in file.images.enumerated() {
      if let before = places[image.id], file.images[before].fileName != image.fileName {
        throw .badFile(
          reason:
            "\(file.path) gives the id \(image.id) to \(file.images[before].fileName ?? "an image") and to "
            + "\(image.fileName ?? "another"); give each image an id of its own")
      }
      if places[image.id] == nil { places[image.id] = place }
    }
    var members = Array(repeating: [Int](), count: file.images.count)
    for index in 0..<file.annotations.count {
      let id = file.annotations.imageID(index)
      guard let place = places[id] else {
        builder.policy.countObject()
        builder.policy.add(.unknownImage, "annotation \(index + 1) (image \(Self.text(id)))")
        continue
      }
      members[place].append(index)
    }
    return members
  }

  private func size(of record: COCOFile.Image, _ path: String) -> (height: Int, width: Int) {
    if let height = record.height, let width = record.width, height > 0, width > 0 { return (height, width) }
    return (try? imageSize(of: path, options.decoder)) ?? (0, 0)
  }

  // MARK: - Objects

  private static func text(_ id: Int) -> String { id == COCORows.missing ? "missing" : "\(id)" }

  private func noteID(_ index: Int, _ seen: inout Set<Int>, _ builder: inout DetectionBuilder) {
    let id = file.annotations.id(index)
    guard id != COCORows.missing else { return builder.policy.add(.missingID, "annotation \(index + 1)") }
    if id == 0 { builder.policy.add(.zeroID, "annotation \(index + 1)") }
    if !seen.insert(id).inserted { builder.policy.add(.repeatedID, "annotation \(index + 1), id \(id)") }
  }

  private func judge(
    _ index: Int, in image: DetectionDataset.Image, _ form: BoxForm, _ builder: inout DetectionBuilder,
    _ place: @autoclosure () -> String
  ) -> AnnotatedObject? {
    builder.policy.countObject()
    let rows = file.annotations
    guard let known = classes[rows.categoryID(index)] else {
      builder.policy.add(.unknownCategory, "\(place()) (category \(Self.text(rows.categoryID(index))))")
      return nil
    }
    guard let classIndex = builder.classIndex(classNames[known]) else {
      builder.policy.add(.unknownClass, "\(place()) (\(classNames[known]))")
      return nil
    }
    guard let box = box(of: index, in: image, form, &builder, place()) else { return nil }
    let area = rows.area(index)
    var object = AnnotatedObject(
      box: box, classIndex: classIndex, isCrowd: rows.isCrowd(index),
      area: area.isFinite && area >= 0 ? area : nil)
    if options.masks {
      let mask = builder.policy.mask(segmentation(index), box: box, in: image, place())
      guard let mask else { return nil }
      object.mask = mask
    }
    if options.keypoints {
      let points = builder.policy.keypoints(rows.keypoints(index), keypoints, shift: 0.5, place())
      guard let points else { return nil }
      object.keypoints = points
    }
    return object
  }

  private func segmentation(_ index: Int) -> AnnotationPolicy.Segmentation {
    switch file.annotations.segmentation(index) {
    case .none: return .none
    case .polygons(let polygons): return .polygons(polygons)
    case .runLengths(let text, let height, let width):
      let mask = try? RunLengthMask(compressed: text, height: height, width: width)
      return mask.map { .runLengths($0) } ?? .damaged
    }
  }

  private func box(
    of index: Int, in image: DetectionDataset.Image, _ form: BoxForm, _ builder: inout DetectionBuilder,
    _ place: @autoclosure () -> String
  ) -> BoundingBox? {
    guard file.annotations.hasBox(index) else {
      guard let edges = segmentation(index).edges else {
        return builder.policy.box(corners: [], in: image, place())
      }
      builder.policy.add(.boxOfMask, place())
      return builder.policy.box(corners: edges, in: image, place())
    }
    let box = file.annotations.box(index)
    switch form {
    case .sizes:
      return builder.policy.box(
        corners: [box[0], box[1], box[0] + box[2], box[1] + box[3]], in: image, place())
    case .corners:
      builder.policy.add(.corners, place())
      return builder.policy.box(corners: [box[0], box[1], box[2], box[3]], in: image, place())
    }
  }

  /// - Throws: ``DatasetError`` where most boxes that can only be one form are corners, but not all.
  private func boxForm(_ members: [[Int]]) throws(DatasetError) -> BoxForm {
    var votes = BoxForm.Votes()
    for (place, image) in file.images.enumerated() {
      guard let height = image.height, let width = image.width else { continue }
      for index in members[place] {
        guard file.annotations.hasBox(index) else { continue }
        votes.count(
          file.annotations.box(index), area: file.annotations.area(index), height: Double(height),
          width: Double(width))
      }
    }
    if votes.isMixed {
      throw .badFile(
        reason:
          "\(grouped(votes.corners)) of \(counted(votes.all, "box", "boxes")) of \(file.path) fit their images as "
          + "left, top, right, lower edge only, and the others could be either; write x, y, width, height")
    }
    return votes.form
  }
}

/// The size of an image as it is shown, from its header.
func imageSize(of path: String, _ decoder: ImageDecoder) throws -> (height: Int, width: Int) {
  let scratch = DecodeScratch()
  return try withExtendedLifetime(scratch) {
    let whole = try decoder.plan(for: scratch.read(path, limit: decoder.limits.maxFileBytes)).whole
    return (whole.height, whole.width)
  }
}

extension AnnotationPolicy.Segmentation {
  /// Left, top, right, lower edge; nil without a point or pixel.
  var edges: [Double]? {
    switch self {
    case .none, .damaged: return nil
    case .runLengths(let mask):
      let box = mask.boundingBox
      guard box.width > 0, box.height > 0 else { return nil }
      return [Double(box.x), Double(box.y), Double(box.x + box.width), Double(box.y + box.height)]
    case .polygons(let polygons):
      let good = polygons.filter { $0.count >= 6 && $0.count % 2 == 0 }.joined()
      let points = Array(good)
      let xs = stride(from: 0, to: points.count, by: 2).map { points[$0] }
      let ys = stride(from: 1, to: points.count, by: 2).map { points[$0] }
      guard let x0 = xs.min(), let x1 = xs.max(), let y0 = ys.min(), let y1 = ys.max() else { return nil }
      return [x0, y0, x1, y1]
    }
  }
}

extension COCOFile.Image {
  fileprivate var federated: DetectionDataset.FederatedRules? {
    negativeCategoryIDs.map {
      DetectionDataset.FederatedRules(negative: $0, notExhaustive: notExhaustiveCategoryIDs ?? [])
    }
  }
}
