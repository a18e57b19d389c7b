import Files
import Foundation

/// The columns of a Parquet file that hold images and classes.
struct ParquetColumns {
  let image: ParquetFile.Column
  /// Of whole numbers or texts; nil without one.
  let label: ParquetFile.Column?
  /// Of the numbers in ``label``, from what Hugging Face's datasets writes about its features; empty without.
  let classNames: [String]

  private static let imageNames = ["image", "img", "picture", "photo"]
  private static let labelNames = ["label", "fine_label", "labels", "class", "target"]

  /// - Throws: ``DatasetError`` where no column holds images.
  init(_ file: ParquetFile) throws(DatasetError) {
    let image = try Self.image(file)
    let features = Self.features(file.huggingFace)
    let classes = features.filter { !$0.value.isEmpty }.keys.sorted { $0.precedesInBytes($1) }
    let names = Self.labelNames + (classes.count == 1 ? classes : [])
    let columns = file.columns.filter { $0.kind != .other && $0 != image }
    let found = names.lazy.compactMap { name in columns.first { $0.name == name } }.first
    self.image = image
    (label, classNames) = (found, found.flatMap { features[$0.name] } ?? [])
  }

  /// The files in {bytes, path}, or a column of bytes.
  private static func image(_ file: ParquetFile) throws(DatasetError) -> ParquetFile.Column {
    let nested = file.columns.filter { $0.kind == .bytes && $0.name.hasSuffix(".bytes") }
    for name in imageNames {
      if let column = nested.first(where: { $0.name == name + ".bytes" }) { return column }
    }
    if nested.count == 1 { return nested[0] }
    for name in imageNames + ["jpg", "jpeg", "png", "webp", "image_bytes"] {
      if let column = file.columns.first(where: { $0.name == name && $0.kind == .bytes }) { return column }
    }
    let names = file.columns.prefix(8).map(\.name).joined(separator: ", ")
    throw .badFile(
      reason:
        "\(file.path) has no column with images, only \(names); images are read from a column image of {bytes, "
        + "path}, as datasets.Image writes it")
  }

  /// The features' names with the classes of each, where it has any: {"info": {"features": {"label": {"names": […]}}}}.
  private static func features(_ text: String?) -> [String: [String]] {
    guard let text, let root = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
      let info = root["info"] as? [String: Any], let features = info["features"] as? [String: Any]
    else { return [:] }
    return features.compactMapValues { ($0 as? [String: Any])?["names"] as? [String] }
  }
}
