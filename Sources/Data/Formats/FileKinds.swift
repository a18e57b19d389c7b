import Images

/// The kind of a file in a folder of a data set, by its name and, where that says nothing, by its first bytes.
enum NeighbourKind: Equatable {
  /// An image that is read.
  case image
  /// A picture, film or file of unknown content: it may be one that the user wants to train on.
  case unread
  /// A text, table, label or archive, as they lie beside images.
  case companion
  /// A file that the system has put there.
  case system

  /// - Parameters:
  ///   - name: The file's name, which does not begin with a dot.
  ///   - head: Its first bytes, ``headBytes`` at most; read only where the name does not say enough.
  init(_ name: String, head: () -> [UInt8]) {
    if let ending = fileEnding(name) {
      if ImageFormat.allExtensions.contains(ending) {
        self = .image
        return
      }
      if UnreadKinds.companions.contains(ending) {
        self = UnreadKinds.systemFiles.contains(name.lowercased()) ? .system : .companion
        return
      }
      if UnreadKinds.isMedium(ending) {
        // Photos are renamed and keep their bytes: a telephone's .heic may be a JPEG. Raw photos begin as TIFF does.
        self = Self.format(head()).map { [.jpeg, .png, .webp].contains($0) } == true ? .image : .unread
        return
      }
    }
    if UnreadKinds.systemFiles.contains(name.lowercased()) {
      self = .system
      return
    }
    let bytes = head()
    if Self.isText(bytes) {
      self = .companion
    } else {
      self = Self.format(bytes) == nil ? .unread : .image
    }
  }

  static let headBytes = 512

  private static func format(_ bytes: [UInt8]) -> ImageFormat? {
    bytes.withUnsafeBytes { ImageFormat(sniffing: $0) }
  }

  /// Whether no byte is a control character: any file of pixels has some.
  private static func isText(_ bytes: [UInt8]) -> Bool {
    !bytes.contains { $0 < 32 && ![9, 10, 12, 13].contains($0) || $0 == 127 }
  }
}

/// Endings of files that are no images here, in lower case.
enum UnreadKinds {
  /// Still pictures of formats that are not read.
  private static let pictures: Set = [
    "heic", "heif", "hif", "jp2", "j2k", "jpf", "jpx", "jpc", "jxl", "jxr", "svg", "svgz", "psd", "psb",
    "xcf", "ai", "eps",
    "ico", "cur", "icns", "tga", "pcx", "exr", "hdr", "pfm", "pam", "xbm", "xpm", "sgi", "dds", "ktx", "flif",
    "bpg",
    "dng", "cr2", "cr3", "crw", "nef", "nrw", "arw", "srf", "sr2", "orf", "rw2", "raf", "pef", "srw", "x3f",
    "3fr", "erf",
    "kdc", "mef", "mrw", "raw", "dcm", "dicom", "nii", "mha", "mhd", "nrrd", "fits", "fit", "fts", "svs",
    "ndpi", "scn",
    "mrxs", "czi", "lif", "nd2", "vsi", "ecw", "sid", "jls", "wmf", "emf", "pict", "mpo", "tif", "tiff",
    "bmp", "gif", "ppm",
    "pgm", "pbm", "pnm", "avif",
  ]
  private static let films: Set = [
    "mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg", "wmv", "flv", "3gp", "mts", "m2ts", "ogv",
    "mjpeg", "mjpg",
    "h264", "y4m", "insv", "lrv",
  ]
  /// Labels, tables, texts, programs and archives.
  static let companions: Set = [
    "txt", "text", "md", "rst", "log", "csv", "tsv", "json", "jsonl", "ndjson", "xml", "yaml", "yml", "toml",
    "ini", "cfg",
    "conf", "html", "htm", "pdf", "doc", "docx", "xls", "xlsx", "rtf", "tex", "bib", "cls", "names", "data",
    "lst", "list",
    "idx", "index", "npy", "npz", "mat", "pkl", "pickle", "pt", "pth", "ckpt", "safetensors", "onnx", "h5",
    "hdf5", "parquet",
    "arrow", "feather", "tfrecord", "lmdb", "mdb", "db", "sqlite", "sqlite3", "rec", "bin", "dat", "py",
    "ipynb", "sh", "m",
    "c", "h", "cpp", "js", "css", "zip", "tar", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar", "lock", "md5",
    "sha1",
    "sha256", "bak", "tmp", "part", "partial", "crdownload", "xmp", "aae", "thm", "exif", "gpx", "kml",
    "geojson", "srt",
    "license", "wav", "mp3", "flac", "ogg",
  ]
  static let systemFiles: Set = ["thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"]
  /// Folders that a system or a program has put there; hidden ones besides.
  static let systemFolders: Set = [
    "__macosx", "__pycache__", "$recycle.bin", "system volume information", "@eadir",
  ]

  static func isPicture(_ ending: some StringProtocol) -> Bool {
    let ending = String(ending)
    return pictures.contains(ending) && !ImageFormat.allExtensions.contains(ending)
  }

  static func isMedium(_ ending: String) -> Bool { isPicture(ending) || films.contains(ending) }
}

/// Whether a name, or an ending with its dot, is an image's.
func hasImageExtension(_ name: String) -> Bool {
  guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
  return ImageFormat.allExtensions.contains(name[name.utf8.index(after: dot)...].lowercased())
}

/// Behind the last dot, in lower case; nil where that is no ending: longer than 12 letters and digits, or there is no dot.
func fileEnding(_ name: String) -> String? {
  guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return nil }
  let ending = name[name.utf8.index(after: dot)...]
  guard (1...12).contains(ending.utf8.count),
    ending.utf8.allSatisfy({ byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    })
  else { return nil }
  return ending.lowercased()
}
