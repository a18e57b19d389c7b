/// A `.npz` file: a zip file of `.npy` arrays, stored (`numpy.savez`) or deflated (`numpy.savez_compressed`).
package struct NumpyArchive {
  private let reader: FileReader
  private let directory: ZipDirectory
  private let entries: [String: ZipDirectory.Listed]
  private let limits: ArrayLimits

  private static let entryLimit = 10_000
  /// Deflate cannot pack more tightly.
  private static let ratioLimit = 1032

  /// Reads the list of the arrays, no array.
  ///
  /// - Throws: ``InterchangeError``, ``FileError``.
  package init(_ reader: FileReader, limits: ArrayLimits = ArrayLimits()) throws {
    (self.reader, self.limits) = (reader, limits)
    directory = try ZipDirectory(reader)
    let listed = try directory.listed(limit: Self.entryLimit, nameLimit: 1024, ratioLimit: Self.ratioLimit)
    try directory.checkOverlap(listed)
    var entries: [String: ZipDirectory.Listed] = [:]
    for entry in listed {
      let name = entry.name.hasSuffix(".npy") ? String(entry.name.dropLast(4)) : entry.name
      guard entries.updateValue(entry, forKey: name) == nil else {
        throw InterchangeError(
          path: reader.path, problem: .damaged("as a zip file, it has two entries \(entry.name)"))
      }
    }
    self.entries = entries
  }

  /// Without `.npy`, sorted.
  package var names: [String] { entries.keys.sorted() }

  /// Nil where there is no array of this name.
  package func header(_ name: String) throws -> NumpyHeader? {
    guard let entry = entries[name] else { return nil }
    return try NumpyHeader(try part(entry), name: entry.name, path: reader.path)
  }

  /// An array: its place where it is stored, else its bytes. Nil where there is none of this name.
  package func array(_ name: String) throws -> NumberArray? {
    guard let entry = entries[name] else { return nil }
    let part = try part(entry)
    let header = try NumpyHeader(part, name: entry.name, path: reader.path)
    let count = try ArrayLimits.byteCount(header.shape, header.type, name: entry.name, path: reader.path)
    guard entry.count - header.byteCount == count else {
      throw InterchangeError(
        path: reader.path,
        problem: .damaged(
          "\(entry.name) has \(entry.count - header.byteCount) bytes for the shape \(header.shape) of "
            + "\(header.type)"))
    }
    func array(_ storage: NumberArray.Storage) -> NumberArray {
      NumberArray(
        name: name, type: header.type, shape: header.shape, isColumnMajor: header.isColumnMajor,
        storage: storage)
    }
    if let place = part.place { return array(.file(reader, place)) }
    try limits.check(count, of: reader, name: entry.name)
    let bytes = try part.bytes(count)
    try part.finish()
    guard part.checksum == entry.crc else {
      throw InterchangeError(
        path: reader.path, problem: .damaged("the checksum of \(entry.name) is wrong"))
    }
    return array(.memory(bytes))
  }

  private func part(_ entry: ZipDirectory.Listed) throws -> PartReader {
    try PartReader(
      reader, try directory.range(of: entry), entry.isDeflated ? .deflate : .stored, name: entry.name)
  }
}
