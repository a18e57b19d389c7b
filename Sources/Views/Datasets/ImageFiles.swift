import Images

/// Images in files of their own.
struct ImageFiles: SampleSource {
  /// What the paths are relative to.
  var root: String
  var paths: [String]
  /// One a path, or empty.
  var labels: [Int32]
  var decoder: ImageDecoder

  var count: Int { paths.count }
  func label(_ index: Int) -> Int? { labels.isEmpty ? nil : Int(labels[index]) }
  func name(_ index: Int) -> String { paths[index] }
  func image(_ index: Int) throws -> RGBImage {
    try decoder.decode(contentsOf: paths[index].hasPrefix("/") ? paths[index] : root + "/" + paths[index])
  }
}

extension String {
  /// Order of bytes, the same in every locale and on every system.
  func precedesInBytes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
