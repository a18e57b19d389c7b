import Files
import Foundation

/// What an annotated set is for. It decides where VOC's lists lie, and which other forms there are.
package enum AnnotatedTask: Sendable {
  case detection, segmentation

  /// As people write it.
  var name: String {
    switch self {
    case .detection: "detection set"
    case .segmentation: "segmentation set"
    }
  }

  /// VOC's lists.
  var lists: String {
    switch self {
    case .detection: "ImageSets/Main"
    case .segmentation: "ImageSets/Segmentation"
    }
  }

  var forms: String {
    switch self {
    case .detection:
      "write VOC2007:trainval, a COCO file as train.json@images/, or cityscapes/:train, joined by +"
    case .segmentation:
      "write VOC2012:train, cityscapes/:train, folders as images/@masks/, or a COCO file as train.json@images/, "
        + "joined by +"
    }
  }
}

/// A part of an annotated set as `DATA` names it.
///
/// - `VOC2007:trainval` or `data/VOCdevkit/VOC2007:test`: a year of a VOC devkit, or any folder like one, and a list in
///   its `ImageSets/Main`, or `ImageSets/Segmentation`; `VOCdevkit:trainval`: all years that have the list.
/// - `train.json@images/`: a COCO or LVIS file and the folder of its images; without the @ these lie beside it.
/// - `cityscapes/:val`: a folder with `leftImg8bit` and `gtFine`, and a split.
/// - `images/@masks/`: for segmentation, a folder of images and one of masks with the same stems.
///
/// `+` joins parts of one kind.
package enum AnnotatedPart: Equatable, Sendable {
  case voc(folder: String, split: String)
  case cityscapes(folder: String, split: String)
  case coco(file: String, images: String?)
  case pair(images: String, masks: String)

  /// - Throws: ``DatasetError`` where the path is no such set.
  package static func parse(
    _ spec: String, for task: AnnotatedTask = .detection
  ) throws(DatasetError) -> [AnnotatedPart] {
    guard !spec.isEmpty else {
      throw .badFile(reason: "the name of the \(task.name) is empty; \(task.forms)")
    }
    var parts: [AnnotatedPart] = []
    for text in texts(of: spec, task) { parts += try parse(part: text, task) }
    return parts
  }

  /// The parts that a plus sign joins. A path that is there may hold one itself.
  private static func texts(of spec: String, _ task: AnnotatedTask) -> [String] {
    let isOne =
      if FileKind(spec) != nil {
        true
      } else if task == .segmentation, let (images, masks) = pair(spec) {
        FileKind(images) != nil && FileKind(masks) != nil
      } else if let (file, images) = jsonFile(spec) {
        FileKind(file) != nil && images.map { FileKind($0) != nil } ?? true
      } else {
        splitName(spec).map { FileKind($0.folder) != nil } ?? false
      }
    return isOne ? [spec] : spec.split(separator: "+").map(String.init)
  }

  /// Whether `moco check` and the like should take a path as a set for the task.
  package static func recognizes(_ spec: String, for task: AnnotatedTask = .detection) -> Bool {
    guard let first = texts(of: spec, task).first else { return false }
    // A file that names its folder of images is meant as one, whatever is in it.
    if let (file, _) = jsonFile(first) { return first != file || looksLikeCOCO(file) }
    if task == .segmentation, isPair(first) { return true }
    let split = splitName(first)
    let folder = split?.folder ?? first
    return places(of: folder).contains { place in
      if isVOC(place, task) || isCityscapes(place) { return true }
      // A folder of a million photos is not listed for this.
      let isDevkit = split != nil || place.lastPathPart.lowercased() == "vocdevkit"
      return isDevkit && !years(in: place, task).isEmpty
    }
  }

  /// Whether a path names a folder of images and one of masks, which is a set for segmentation and nothing else.
  package static func isPair(_ spec: String) -> Bool {
    guard FileKind(spec) == nil, let (images, masks) = pair(spec) else { return false }
    return FileKind(images) == .folder && FileKind(masks) == .folder
  }

  private static func parse(part text: String, _ task: AnnotatedTask) throws(DatasetError) -> [AnnotatedPart]
  {
    if let (file, images) = jsonFile(text) {
      guard FileKind(file) != nil else { throw .missing(path: file) }
      if let images, FileKind(images) == nil { throw .missing(path: images) }
      return [.coco(file: file, images: images)]
    }
    if task == .segmentation, FileKind(text) == nil, let (images, masks) = pair(text) {
      for folder in [images, masks] where FileKind(folder) == nil { throw .missing(path: folder) }
      return [.pair(images: images, masks: masks)]
    }
    guard let (folder, split) = splitName(text) else {
      guard let folder = places(of: text).first(where: { FileKind($0) != nil }) else {
        throw .badFile(reason: "\(text) does not exist; \(task.forms)")
      }
      throw withoutSplit(folder, as: text, task)
    }
    let candidates = places(of: folder)
    for place in candidates {
      if isVOC(place, task) {
        return [.voc(folder: place, split: try known(split, vocSplits(place, task), of: place))]
      }
      if isCityscapes(place) {
        return [.cityscapes(folder: place, split: try known(split, cityscapesSplits(place), of: place))]
      }
      let years = years(in: place, task)
      guard !years.isEmpty else { continue }
      let found = years.filter { vocSplits($0, task).contains(split) }
      let all = Set(years.flatMap { vocSplits($0, task) }).sorted { $0.precedesInBytes($1) }
      if found.isEmpty { _ = try known(split, all, of: place) }
      return found.map { .voc(folder: $0, split: split) }
    }
    guard let place = candidates.first(where: { FileKind($0) != nil }) else {
      throw .badFile(reason: "\(candidates.joined(separator: " and ")) do not exist; \(task.forms)")
    }
    throw .badFile(
      reason:
        "\(place) is no \(task.name): it holds neither \(task.lists) (VOC) nor leftImg8bit (Cityscapes); \(task.forms)"
    )
  }

  private static func known(
    _ split: String, _ splits: [String], of place: String
  ) throws(DatasetError) -> String {
    if splits.contains(split) { return split }
    let shown = splits.prefix(10).joined(separator: ", ") + (splits.count > 10 ? " …" : "")
    throw .badFile(
      reason: "\(place) has no split `\(split)`; "
        + (splits.isEmpty
          ? "it has none at all"
          : "it has \(shown)."
            + suggestion(for: split, among: splits)))
  }

  private static func withoutSplit(_ folder: String, as text: String, _ task: AnnotatedTask) -> DatasetError {
    let splits =
      isVOC(folder, task)
      ? vocSplits(folder, task)
      : isCityscapes(folder)
        ? cityscapesSplits(folder) : Set(years(in: folder, task).flatMap { vocSplits($0, task) }).sorted()
    guard let first = splits.first(where: { $0.hasPrefix("train") }) ?? splits.first else {
      return .badFile(reason: "\(text) is no \(task.name); \(task.forms)")
    }
    return .badFile(
      reason:
        "\(text) names no split; it has \(splits.prefix(10).joined(separator: ", ")). Write \(text):\(first)")
  }

  // MARK: - Names

  /// Nil where the path is no JSON file.
  private static func jsonFile(_ text: String) -> (file: String, images: String?)? {
    if text.lowercased().hasSuffix(".json") { return (text, nil) }
    for at in text.indices where text[at] == "@" && text[..<at].lowercased().hasSuffix(".json") {
      let images = String(text[text.index(after: at)...])
      return (String(text[..<at]), images.isEmpty ? nil : images)
    }
    return nil
  }

  /// The folders before and behind the first @.
  private static func pair(_ text: String) -> (images: String, masks: String)? {
    guard let at = text.firstIndex(of: "@"), jsonFile(text) == nil else { return nil }
    let (images, masks) = (String(text[..<at]), String(text[text.index(after: at)...]))
    return images.isEmpty || masks.isEmpty ? nil : (images, masks)
  }

  private static func splitName(_ text: String) -> (folder: String, split: String)? {
    guard FileKind(text) == nil, let colon = text.lastIndex(of: ":") else { return nil }
    let (folder, split) = (String(text[..<colon]), String(text[text.index(after: colon)...]))
    return folder.isEmpty || split.isEmpty || split.contains("/") ? nil : (folder, split)
  }

  /// VOC2007 is looked for in VOCdevkit too.
  private static func places(of folder: String) -> [String] {
    var path = folder
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path.hasPrefix("/") || path.hasPrefix("VOCdevkit") ? [path] : [path, "VOCdevkit/" + path]
  }

  // MARK: - Folders

  private static func isVOC(_ folder: String, _ task: AnnotatedTask) -> Bool {
    FileKind(folder + "/" + task.lists) == .folder
  }
  private static func isCityscapes(_ folder: String) -> Bool { FileKind(folder + "/leftImg8bit") == .folder }

  /// The devkits in a folder, in byte order.
  private static func years(in folder: String, _ task: AnnotatedTask) -> [String] {
    guard FileKind(folder) == .folder, let listing = try? FolderListing(folder) else { return [] }
    return listing.folders.map { folder + "/" + $0 }.filter { isVOC($0, task) }
  }

  /// The lists in their folder; those of single classes (`dog_train`) are left out where there are others.
  private static func vocSplits(_ folder: String, _ task: AnnotatedTask) -> [String] {
    let files = (try? FolderListing(folder, task.lists))?.files ?? []
    let names = files.filter { $0.hasSuffix(".txt") }.map { String($0.dropLast(4)) }
    let plain = names.filter { name in
      !names.contains { other in name != other && name.hasSuffix("_" + other) }
    }
    return plain.isEmpty ? names : plain
  }

  private static func cityscapesSplits(_ folder: String) -> [String] {
    (try? FolderListing(folder, "leftImg8bit"))?.folders ?? []
  }

  /// Whether a JSON file has a COCO file's keys near its beginning or at its end.
  private static func looksLikeCOCO(_ path: String) -> Bool {
    guard let file = try? FileReader(path) else { return false }
    let edge = 1 << 16
    let head = (try? file.bytes(0..<min(edge, file.count))) ?? []
    let tail = (try? file.bytes(max(0, file.count - edge)..<file.count)) ?? []
    let text = String(decoding: head + tail, as: UTF8.self)
    return ["\"images\"", "\"annotations\"", "\"categories\""].contains(where: text.contains)
  }
}
