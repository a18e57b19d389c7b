import Files
import Images
import Torch

/// A split of Cityscapes: `leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png` and
/// `gtFine/SPLIT/CITY/NAME_gtFine_instanceIds.png`.
///
/// Source: Cordts et al. 2016 and its label table. A pixel's number is its object's label · 1000 plus a count, or the
/// label alone in a group that is not separated.
struct CityscapesSet: DetectionSource {
  /// The labels with instances, in the order of their training ids.
  static let labels = CityscapesLabel.instances

  private struct Entry: Sendable {
    let name: String
    let path: String
    /// Nil without a file of instances.
    let content: Content?
  }

  private struct Content: Sendable {
    let height: Int
    let width: Int
    let masks: [(number: Int, mask: RunLengthMask)]
  }

  let kind = DetectionDataset.Kind.cityscapes
  let classNames = labels.map(\.name)
  let isClosed = true
  let keypoints = KeypointLayout.none
  let hasMasks = true
  private let entries: [Entry]

  /// Reads all instances of the split, which takes a while: they are pictures.
  init(folder: String, split: String, _ options: DetectionOptions) throws(DatasetError) {
    let pictures = "\(folder)/leftImg8bit/\(split)"
    let names = try Self.names(pictures)
    let limits = options.decoder.limits
    do {
      entries = try inParallel(names.count, threads: options.workers) { [names] place in
        let name = names[place]
        let truth = "\(folder)/gtFine/\(split)/\(name)_gtFine_instanceIds.png"
        var content: Content?
        if FileKind(truth) != nil {
          content = try Self.content(LabelImage(contentsOf: truth, limits: limits))
        }
        return Entry(name: name, path: "\(pictures)/\(name)\(Self.suffix)", content: content)
      }
    } catch { throw DatasetError(of: pictures, error) }
  }

  static let suffix = "_leftImg8bit.png"

  /// The images of a split as CITY/NAME.
  ///
  /// - Throws: ``DatasetError`` where there is none.
  static func names(_ pictures: String) throws(DatasetError) -> [String] {
    var names: [String] = []
    for city in try FolderListing(pictures).folders {
      names += try FolderListing(pictures, city).files
        .filter { $0.hasSuffix(suffix) }.map { "\(city)/\($0.dropLast(suffix.count))" }
    }
    guard !names.isEmpty else {
      throw .badFile(reason: "\(pictures) holds no CITY/NAME\(suffix); fetch leftImg8bit again")
    }
    return names
  }

  func categoryID(_ className: String) -> Int { Self.labels.first { $0.name == className }?.id ?? 0 }

  func read(into builder: inout DetectionBuilder) {
    for entry in entries {
      guard builder.takes(entry.path, entry.name) else { continue }
      guard let content = entry.content else {
        builder.policy.add(.withoutAnnotations, entry.name)
        continue
      }
      let image = DetectionDataset.Image(
        path: entry.path, name: entry.name, id: builder.nextID, height: content.height, width: content.width)
      let objects = content.masks.compactMap { judge($0.number, $0.mask, in: image, &builder) }
      builder.add(image, objects, annotated: content.masks.count)
    }
  }

  /// The box goes to the ends of its pixels; the published one ends at the last pixels' upper left corners.
  private func judge(
    _ number: Int, _ mask: RunLengthMask, in image: DetectionDataset.Image, _ builder: inout DetectionBuilder
  ) -> AnnotatedObject? {
    builder.policy.countObject()
    let isGroup = number < 1000
    let label = isGroup ? number : number / 1000
    guard let name = Self.labels.first(where: { $0.id == label })?.name,
      let index = builder.classIndex(name)
    else { return nil }
    let place = "\(image.name), object \(number)"
    guard let edges = AnnotationPolicy.Segmentation.runLengths(mask).edges,
      let box = builder.policy.box(corners: edges, in: image, place)
    else { return nil }
    return AnnotatedObject(
      box: box, classIndex: index, isCrowd: isGroup, area: Double(mask.area),
      mask: builder.options.masks ? .runLengths(mask) : nil)
  }

  // MARK: - Masks

  /// The objects of the labels with instances, by rising number.
  private static func content(_ image: LabelImage) throws -> Content {
    let wanted = Set(labels.map(\.id))
    let runs = runsByNumber(of: image) { wanted.contains($0 < 1000 ? $0 : $0 / 1000) }
    return Content(
      height: image.height, width: image.width,
      masks: try runs.keys.sorted().map { number in
        let counts = counts(of: runs[number] ?? [], in: image.height * image.width)
        return (number, try RunLengthMask(counts: counts, height: image.height, width: image.width))
      })
  }

  /// The runs of equal numbers down the columns.
  private static func runsByNumber(
    of image: LabelImage, where isWanted: (Int) -> Bool
  ) -> [Int: [Range<Int>]] {
    var runs: [Int: [Range<Int>]] = [:]
    let (height, width) = (image.height, image.width)
    image.labels.withUnsafeBufferPointer { labels in
      var (start, current) = (0, Int(labels[0]))
      func end(_ place: Int) {
        if isWanted(current) { runs[current, default: []].append(start..<place) }
      }
      for x in 0..<width {
        for y in 0..<height {
          let label = Int(labels[y * width + x])
          guard label != current else { continue }
          let place = x * height + y
          end(place)
          (start, current) = (place, label)
        }
      }
      end(width * height)
    }
    return runs
  }

  private static func counts(of runs: [Range<Int>], in pixels: Int) -> [UInt32] {
    var counts: [UInt32] = []
    var place = 0
    for run in runs {
      counts += [UInt32(run.lowerBound - place), UInt32(run.count)]
      place = run.upperBound
    }
    if place < pixels { counts.append(UInt32(pixels - place)) }
    return counts
  }
}
