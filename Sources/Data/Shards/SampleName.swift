import Images

/// A member's name as WebDataset takes it apart: the sample's key up to the first dot of the last part, and the field
/// behind it, in lower case. "cat/1.seg.png" is the field "seg.png" of the sample "cat/1".
struct SampleName: Equatable {
  let key: String
  let field: String
  /// The name up to its last dot, which would be the key if names held no dots: "cat/1.seg" of "cat/1.seg.png".
  let stem: String

  /// Nil where WebDataset sees no sample: without a dot, with nothing before it, or in a folder such as `__meta__`;
  /// and for hidden files, those of macOS (`._x`, `__MACOSX`) among them.
  init?(_ name: String) {
    let bytes = name.utf8
    let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
    let base = slash.map { bytes.index(after: $0) } ?? bytes.startIndex
    guard let dot = bytes[base...].firstIndex(of: UInt8(ascii: ".")), dot > base else { return nil }
    if bytes.starts(with: "__".utf8), let end = bytes.firstIndex(of: UInt8(ascii: "/")) {
      let folder = name[..<end]
      if folder.utf8.count >= 4, folder.hasSuffix("__") || folder == "__MACOSX" { return nil }
    }
    key = String(name[..<dot])
    field = name[bytes.index(after: dot)...].lowercased()
    let last = bytes.lastIndex(of: UInt8(ascii: ".")) ?? dot
    stem = last == dot ? key : String(name[..<last])
  }

  /// Behind the field's last dot: "png" of "seg.png".
  var ending: Substring {
    field.utf8.lastIndex(of: UInt8(ascii: ".")).map { field[field.utf8.index(after: $0)...] } ?? field[...]
  }

  /// Whether the field is one ending and no more.
  var isPlain: Bool { !field.utf8.contains(UInt8(ascii: ".")) }

  var isImage: Bool { ImageFormat.allExtensions.contains(String(ending)) }
}

/// Which members of shards are images that are read: by a member's name alone, so that shards need not be listed
/// before they are read. A sample has one image.
package enum ImageRule: Sendable, Equatable {
  /// Every image: each is the only one of its sample, or the names hold dots and each is a sample of its own.
  case every
  /// Images whose field is one ending, such as jpg; others, such as seg.png, belong to them.
  case plain
  /// The members of one field: `--image-key`.
  case field(String)

  func takes(_ member: String) -> Bool { SampleName(member).map(takes) ?? false }

  func takes(_ name: SampleName) -> Bool {
    switch self {
    case .every: name.isImage
    case .plain: name.isPlain && name.isImage
    case .field(let field): name.field == field
    }
  }
}

extension ImageRule {
  /// The one field that it takes.
  var field: String? { if case .field(let field) = self { field } else { nil } }

  /// The field that `--image-key` names: "seg.png" of "seg.png" or ".SEG.PNG". Nil for what cannot be one.
  package static func fieldName(_ key: String) -> String? {
    let field = (key.hasPrefix(".") ? String(key.dropFirst()) : key).lowercased()
    return field.isEmpty || field.contains("/") || field.contains(" ") ? nil : field
  }
}

/// In the index of shards, beside what WebDataset writes there: `{"images": "every"}`, `{"images": "plain"}`, or
/// `{"images": "field", "field": "rgb.jpg"}`.
extension ImageRule: Codable {
  private enum Name: String, Codable { case every, plain, field }
  private enum CodingKeys: CodingKey { case images, field }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    switch try values.decode(Name.self, forKey: .images) {
    case .every: self = .every
    case .plain: self = .plain
    case .field: self = .field(try values.decode(String.self, forKey: .field))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .every: try values.encode(Name.every, forKey: .images)
    case .plain: try values.encode(Name.plain, forKey: .images)
    case .field(let field):
      try values.encode(Name.field, forKey: .images)
      try values.encode(field, forKey: .field)
    }
  }
}
