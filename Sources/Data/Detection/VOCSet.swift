import Files
import Foundation
import Images

/// A list of a VOC devkit: `ImageSets/Main/NAME.txt`, `Annotations/*.xml`, `JPEGImages/*`.
///
/// Source: the development kit of the PASCAL Visual Object Classes Challenge. A pixel's number there counts from 1 and
/// both edges belong to the box, so that xmin and ymin are lowered by 1.
struct VOCSet: DetectionSource {
  private struct Entry: Sendable {
    let name: String
    /// Nil without an image.
    let path: String?
    /// Nil without a file.
    let annotations: VOCAnnotations?
    let height: Int
    let width: Int
  }

  let kind = DetectionDataset.Kind.voc
  let isClosed = false
  let keypoints = KeypointLayout.none
  let hasMasks = false
  /// In byte order: that of the challenge's classes.
  let classNames: [String]
  private let entries: [Entry]

  /// Reads all annotations of the list.
  ///
  /// - Throws: ``DatasetError`` for a list or a file of annotations that cannot be read.
  init(folder: String, split: String, _ options: DetectionOptions) throws(DatasetError) {
    let list = "\(folder)/ImageSets/Main/\(split).txt"
    let stems = try Self.names(list) {
      FileKind(FilePath("\(folder)/Annotations", "\($0).xml")) != nil
    }
    let pictures = try Self.pictures(folder)
    do {
      entries = try inParallel(stems.count, threads: options.workers) { place in
        let (name, decoder) = (stems[place], options.decoder)
        let path = pictures[name].map { "\(folder)/JPEGImages/\($0)" }
        let file = "\(folder)/Annotations/\(name).xml"
        let annotations = FileKind(FilePath(file)) == nil ? nil : try VOCAnnotations(file)
        // Many tools leave the size out or write 0.
        var (height, width) = (annotations?.height ?? 0, annotations?.width ?? 0)
        if let path, height < 1 || width < 1 {
          (height, width) = (try? imageSize(of: path, decoder)) ?? (0, 0)
        }
        return Entry(name: name, path: path, annotations: annotations, height: height, width: width)
      }
    } catch { throw DatasetError(of: list, error) }
    let names = Set(entries.flatMap { $0.annotations?.objects.map(\.name) ?? [] })
    classNames = names.sorted { $0.precedesInBytes($1) }
  }

  /// Its place, counted from 1: the files have no numbers.
  func categoryID(_ className: String) -> Int { (classNames.firstIndex(of: className) ?? -1) + 1 }

  func read(into builder: inout DetectionBuilder) {
    for entry in entries {
      guard builder.takes(entry.path, entry.name), let path = entry.path else { continue }
      guard let annotations = entry.annotations else {
        builder.policy.add(.withoutAnnotations, entry.name)
        continue
      }
      let image = DetectionDataset.Image(
        path: path, name: entry.name, id: builder.nextID, height: entry.height, width: entry.width)
      let objects = annotations.objects.enumerated().compactMap { place, object in
        Self.judge(object, in: image, &builder, "\(entry.name), object \(place + 1)")
      }
      builder.add(image, objects, annotated: annotations.objects.count)
    }
  }

  private static func judge(
    _ object: VOCAnnotations.Object, in image: DetectionDataset.Image, _ builder: inout DetectionBuilder,
    _ place: @autoclosure () -> String
  ) -> AnnotatedObject? {
    builder.policy.countObject()
    guard let index = builder.classIndex(object.name) else {
      builder.policy.add(.unknownClass, "\(place()) (\(object.name))")
      return nil
    }
    // A box from 504 to 504 is a click, not an object, though as pixels it would have a side of 1.
    if object.corners.count == 4,
      object.corners[0] == object.corners[2] || object.corners[1] == object.corners[3]
    {
      builder.policy.add(.empty, place())
      return nil
    }
    var corners = object.corners
    if corners.count == 4 {
      corners[0] -= 1
      corners[1] -= 1
    }
    guard let box = builder.policy.box(corners: corners, in: image, place()) else { return nil }
    return AnnotatedObject(box: box, classIndex: index, isDifficult: object.isDifficult)
  }

  // MARK: - Files

  /// The first word of each line: lists of single classes have a second one. A line with a space in it is a name where
  /// `isName`.
  static func names(_ list: String, isName: (String) -> Bool) throws(DatasetError) -> [String] {
    let bytes: [UInt8]
    do { bytes = try readFile(list, limit: 1 << 28) } catch {
      throw .unreadable(path: list, reason: "\(error.reason)")
    }
    var names: [String] = []
    for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
      let text = FileName.text(line).trimmingCharacters(in: .whitespaces)
      guard let word = text.split(whereSeparator: \.isWhitespace).first.map(String.init) else { continue }
      names.append(word == text || isName(text) ? text : word)
    }
    guard !names.isEmpty else { throw .emptyList(path: list) }
    return names
  }

  /// The picture of each stem; of several the first in byte order.
  static func pictures(_ folder: String) throws(DatasetError) -> [String: String] {
    let files = try FolderListing(folder, "JPEGImages").files.filter(hasImageExtension)
    return Dictionary(files.map { (stem(of: $0), $0) }) { first, _ in first }
  }
}
