import Foundation
import Images

/// A way in which data sets are stored. A new format is a file in this folder and a row in ``all``.
///
/// A value is a format that was recognized at a location, with the names that were found there:
///
/// ```swift
/// struct CSVTable: DatasetFormat {
///   let name = "CSV table"
///   let evidence = "a table (images.csv)"
///   let claimed: Set = ["images.csv"]
///
///   init?(_ location: DatasetLocation) {
///     guard location.files.contains("images.csv") else { return nil }
///   }
///
///   func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
///     Dataset(try TableRows(location.path + "/images.csv"), format: name, decoder: options.decoder)
///   }
/// }
/// ```
package protocol DatasetFormat: Sendable {
  /// In summaries and fingerprints, such as "class folders".
  var name: String { get }
  /// For the error about a folder with several formats, such as "class folders (cats/)".
  var evidence: String { get }
  /// Files and folders of the location that belong to this format. Formats that come later in the list do not see
  /// them, so that the folders of an annotated set are not taken for classes.
  var claimed: Set<String> { get }

  /// Nil where the location holds another format.
  ///
  /// - Throws: where it cannot be read, or holds this format in a state that cannot be opened.
  init?(_ location: DatasetLocation) throws(DatasetError)

  /// Reads everything but the pixels.
  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset
}

extension DatasetFormat {
  package var claimed: Set<String> { [] }
}

extension [any DatasetFormat.Type] {
  /// Every format, the most specific first: any folder of folders may be classes.
  package static let all: Self = [
    ListFile.self,
    CIFARArchive.self,
    NestedTars.self,
    TarShards.self,
    ShardIndexFile.self,
    ZipImages.self,
    NumpyImages.self,
    ParquetTables.self,
    CIFARBinaries.self,
    CIFARPickles.self,
    IDXFiles.self,
    STL10Binaries.self,
    SVHNFiles.self,
    ClassFolders.self,
    ImageFolder.self,
    ShardFolder.self,
  ]
}

/// How a data set is opened.
package struct OpeningOptions {
  /// For formats that keep train and test in one folder.
  package var split: DatasetSplit
  package var decoder: ImageDecoder
  /// Called while shards are listed, on other threads: shards done, and the total.
  package var listing: ((Int, Int) -> Void)?
  /// Whether names and labels are not wanted, so that shards with an index need not be read.
  package var needsCountsOnly: Bool
  /// The field of a shard's samples that is the image, such as "jpg"; nil for WebDataset's rule: see ``ImageChoice``.
  package var imageKey: String?
  /// How often a shard that breaks while it is listed is started again.
  package var retries: ShardRetries

  package init(
    split: DatasetSplit = .train, decoder: ImageDecoder = ImageDecoder(),
    listing: ((Int, Int) -> Void)? = nil, needsCountsOnly: Bool = false, imageKey: String? = nil,
    retries: ShardRetries = ShardRetries()
  ) {
    (self.split, self.decoder, self.listing) = (split, decoder, listing)
    (self.needsCountsOnly, self.imageKey, self.retries) = (needsCountsOnly, imageKey, retries)
  }
}

/// The path that a data set is opened from, and the names found there.
package struct DatasetLocation {
  /// As the user gives it, without slashes at its end: a path, a pattern of shards, or `pipe:` and a command.
  package let path: String
  /// Nil where nothing is.
  let kind: FileKind?
  /// Files and folders in the folder that no format has claimed yet, in byte order; empty for other kinds.
  package private(set) var files: [String] = []
  package private(set) var folders: [String] = []
  /// Those of ``files`` that count as images: by their names, or, where these say nothing, by their first bytes.
  package private(set) var images: [String] = []
  /// The others of the folder's files.
  private(set) var leftOut = LeftOut()
  /// Whether a format has been recognized already.
  private(set) var isClaimed = false

  init(_ path: String) throws(DatasetError) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
    kind = FileKind(path)
    guard kind == .folder else { return }
    let listing = try FolderListing(path)
    if listing.isEmpty { throw .emptyFolder(path: path) }
    (files, folders) = (listing.files, listing.folders)
    (images, leftOut) = listing.sorted()
  }

  mutating func claim(_ names: Set<String>) {
    isClaimed = true
    guard !names.isEmpty else { return }
    files.removeAll(where: names.contains)
    folders.removeAll(where: names.contains)
    images.removeAll(where: names.contains)
  }

  /// Why no format was recognized.
  fileprivate var refusal: DatasetError {
    if kind != nil, let hint = UnreadSet.hint(path, isFolder: kind == .folder, files: files, folders: folders)
    {
      return .badFile(reason: hint)
    }
    return switch kind {
    case .folder: folderRefusal
    case .file, .other: .notAFolder(path: path)
    case nil: .missing(path: path)
    }
  }

  private var folderRefusal: DatasetError {
    let all = (try? leftOutOfAll()) ?? leftOut
    if let shards = folders.first(where: { folder in
      (try? FolderListing(path, folder))?.files.contains(where: ShardPattern.hasEnding) == true
    }) {
      return .shardsBelow(path: path, folder: path + "/" + shards)
    }
    return all.unread.isEmpty
      ? .noImages(path: path, saw: examples(files: files, folders: folders))
      : .onlyUnread(path: path, saw: kindsText(all.unread), folders: folders.map { $0 + "/" })
  }
}

extension Dataset {
  /// Opens a folder of class folders, a folder of images, a list (`.txt`, `.csv`, `.tsv`, also `val.txt@val/`), a zip
  /// archive, tar shards (`train-{000..127}.tar`, a folder of them) or their `.json` index, or one of the data sets as they
  /// are downloaded: MNIST and its family, CIFAR, STL-10, SVHN, MedMNIST, ImageNet's tar of tars, Parquet of Hugging Face.
  ///
  /// - Parameters:
  ///   - path: A folder, a file, or the pattern of shards.
  ///   - split: Which part, for sets that hold both.
  ///   - decoder: Decodes the images, within its limits.
  ///   - allowsOneImage: Whether a single image is enough; contrastive training needs two.
  ///   - listing: Called while shards are listed, on other threads: shards done, and the total.
  /// - Throws: ``DatasetError``.
  public static func open(
    _ path: String, split: DatasetSplit = .train, decoder: ImageDecoder = ImageDecoder(),
    allowsOneImage: Bool = false, listing: ((Int, Int) -> Void)? = nil
  ) throws(DatasetError) -> Dataset {
    try open(
      path, OpeningOptions(split: split, decoder: decoder, listing: listing), formats: .all,
      allowsOneImage: allowsOneImage)
  }

  /// The same with a choice of formats.
  package static func open(
    _ path: String, _ options: OpeningOptions, formats: [any DatasetFormat.Type] = .all,
    allowsOneImage: Bool = false
  ) throws(DatasetError) -> Dataset {
    var location = try DatasetLocation(path)
    var found: [any DatasetFormat] = []
    for format in formats {
      guard let format = try format.init(location) else { continue }
      found.append(format)
      // A file is of one kind; a folder may hold several by mistake.
      guard location.kind == .folder else { break }
      location.claim(format.claimed)
    }
    guard found.count <= 1 else {
      throw .mixed(path: location.path, kinds: found.reversed().map(\.evidence))
    }
    guard let format = found.first else { throw location.refusal }
    let dataset = try format.open(location, options)
    guard dataset.count > 0 else {
      throw .badFile(reason: "\(location.path) holds no image; give a set with images in it")
    }
    guard dataset.count > 1 || allowsOneImage else {
      throw .oneImage(path: location.path)
    }
    return dataset
  }
}
