import Files
import Images

/// Why a path could not be opened as a data set: the fault, its place and the fix.
public enum DatasetError: NamesMissingThing, Equatable, Sendable {
  case missing(path: String)
  /// A file of no kind that is read.
  case notAFolder(path: String)
  case unreadable(path: String, reason: String)
  case emptyFolder(path: String)
  /// A few names of what is there instead.
  case noImages(path: String, saw: [String])
  /// Pictures and films of formats that are not read, by ending, and the folders that are there.
  case onlyUnread(path: String, saw: String, folders: [String])
  /// A folder of shards in the folder.
  case shardsBelow(path: String, folder: String)
  case oneImage(path: String)
  /// The folder only holds parts such as train and val.
  case onlyParts(path: String, parts: [String])
  /// More than one kind of data set in a folder.
  case mixed(path: String, kinds: [String])
  /// The part's files are not there.
  case missingSplit(path: String, split: DatasetSplit, files: [String])
  case labelCount(path: String, labels: Int, images: Int)
  case emptyList(path: String)
  /// A line of a list, counted from 1.
  case badLine(path: String, line: Int, detail: String)
  case badFile(reason: String)
}

extension DatasetError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .missing(let path):
      path.isEmpty
        ? "the path of the images is empty; name a folder, a list or shards"
        : "\(path) does not exist; check the path"
    case .notAFolder(let path):
      "\(path) is neither a folder nor a file that is read as a data set (.txt, .csv, .tar, .json, .zip, .npz, .mat, "
        + ".parquet); give the folder that the images are in"
    case .unreadable(let path, let reason):
      "\(path) cannot be read: \(reason)"
    case .emptyFolder(let path):
      "\(path) is empty; put images, class folders, IDX or CIFAR files into it"
    case .noImages(let path, let saw):
      "\(path) holds no image, only \(saw.joined(separator: ", ")); give the folder that the images are in"
    case .onlyUnread(let path, let saw, let folders):
      "\(path) holds no image that is read, only \(saw)"
        + (folders.isEmpty
          ? "" : " in \(folders.prefix(3).joined(separator: ", "))\(folders.count > 3 ? " …" : "")")
        + "; the formats are \(ImageFormat.names): convert them to one of these"
    case .shardsBelow(let path, let folder):
      "\(path) holds no image, but \(folder) holds tar files; name that folder, or its shards as '\(folder)/*.tar'"
    case .oneImage(let path):
      "\(path) holds one image only; contrastive training needs at least 2"
    case .onlyParts(let path, let parts):
      "\(path) holds the parts \(parts.joined(separator: ", ")) and no class folders; name one of them, such as \(path)/\(parts.first(where: { $0.lowercased() == "train" }) ?? parts[0])"
    case .mixed(let path, let kinds):
      "\(path) holds \(kinds.joined(separator: " as well as ")); keep one kind in a folder of its own"
    case .missingSplit(let path, let split, let files):
      "\(path) has no \(split.rawValue) part: \(files.joined(separator: ", ")) not found"
    case .labelCount(let path, let labels, let images):
      "\(path) has \(grouped(labels)) labels for \(grouped(images)) images; fetch or copy both files again"
    case .emptyList(let path):
      "\(path) names no image; write one path a line"
    case .badLine(let path, let line, let detail):
      "\(path), line \(line): \(detail)"
    case .badFile(let reason):
      reason
    }
  }
}

extension DatasetError {
  public var isMissing: Bool { if case .missing = self { true } else { false } }
}
