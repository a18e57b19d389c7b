import Images

/// Images in files of their own.
struct ImageFiles: FileSource {
  /// What the paths are relative to.
  var root: String
  var paths: [String]
  /// One a path, or empty.
  var labels: [Int32]
  /// Larger files are refused before they are read.
  var maxFileBytes: Int

  var count: Int { paths.count }
  func label(_ index: Int) -> Int? { labels.isEmpty ? nil : Int(labels[index]) }
  func name(_ index: Int) -> String { paths[index] }
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    let path = paths[index].hasPrefix("/") ? paths[index] : root + "/" + paths[index]
    return try scratch.read(path, limit: maxFileBytes)
  }
}

extension String {
  /// Order of bytes, the same in every locale and on every system.
  func precedesInBytes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
