import Files
import Foundation

/// `cifar-10-python.tar.gz` and its like as they are downloaded: unpacked into memory, 180 MB.
struct CIFARArchive: DatasetFormat {
  let name = "CIFAR archive"
  let evidence = "a CIFAR archive"

  /// Members that belong to the set have 31 MB, in CIFAR-100 150 MB.
  private static let memberLimit = 256 << 20
  private static let totalLimit = 1 << 30

  init?(_ location: DatasetLocation) {
    let name = location.path.lastPathPart
    guard location.kind == .file, name.hasPrefix("cifar-10"), name.hasSuffix(".tar.gz"),
      name.contains("python") || name.contains("binary")
    else { return nil }
  }

  func open(_ location: DatasetLocation, _ options: OpeningOptions) throws(DatasetError) -> Dataset {
    let files = try Self.files(location.path)
    let names = files.keys.sorted { $0.precedesInBytes($1) }
    if let pickles = CIFARPickles(files: names) {
      return try pickles.open(location.path, options.split) { name in
        try PickledDictionary(files[name] ?? [], path: "\(location.path)/\(name)")
      }
    }
    if let binaries = CIFARBinaries(files: names) {
      return try binaries.open(location.path, options.split) { name throws(CIFARError) in
        guard let bytes = files[name] else { throw .unreadable(.unreadable(reason: "not in the archive")) }
        return Data(bytes)
      }
    }
    throw .badFile(
      reason: "\(location.path) has neither CIFAR's python nor its binary version in it, only "
        + examples(files: names, folders: []).joined(separator: ", ") + "; download it again")
  }

  /// The members by the last part of their names.
  private static func files(_ path: String) throws(DatasetError) -> [String: [UInt8]] {
    try readingDataset(path) {
      let reader = try TarReader(.file(path), limit: memberLimit)
      var files: [String: [UInt8]] = [:]
      var total = 0
      while let member = try reader.next() {
        total += member.size
        guard total <= totalLimit else {
          throw DatasetError.badFile(
            reason: "\(path) unpacks to more than \(short(Double(totalLimit))) bytes, which CIFAR does not")
        }
        files[member.name.lastPathPart] = try reader.readAll()
      }
      return files
    }
  }
}
