import Files

/// Files that come in place of weights, by their first bytes.
enum MistakenFile {
  /// The text that Git checks out where Git LFS is not installed.
  case lfsPointer
  /// A page that a server sent instead of the file.
  case webPage
  case json
  case hdf5

  init?(_ reader: FileReader) throws {
    let start = try reader.bytes(0..<min(512, reader.count))
    let text = String(decoding: start, as: UTF8.self).drop { $0.isWhitespace || $0 == "\u{FEFF}" }
    if text.hasPrefix("version https://git-lfs.github.com/spec/") {
      self = .lfsPointer
    } else if ["<!doctype html", "<html"].contains(where: { text.lowercased().hasPrefix($0) }) {
      self = .webPage
    } else if start.first == UInt8(ascii: "{") {
      self = .json
    } else if start.starts(with: [0x89] + Array("HDF\r\n".utf8)) {
      self = .hdf5
    } else {
      return nil
    }
  }

  var problem: InterchangeError.Problem {
    switch self {
    case .lfsPointer:
      .unsupported("this is a pointer of Git LFS, not the weights. Fetch them with `git lfs pull`.")
    case .webPage:
      .unsupported(
        "this is a web page (HTML), not weights. Download the file itself, not the page that shows it.")
    case .json: .unsupported("this is JSON, not weights. Name the .safetensors or .pth file.")
    case .hdf5: .unsupported("this is an HDF5 file, as Keras writes; its weights are not read.")
    }
  }
}
