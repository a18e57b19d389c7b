import Files
import Foundation

/// The labels in a shard while its members are read: WebDataset's `key.cls`, a number or a text; or `key.json` with a
/// number or a text under "label", "class" or "cls".
struct ShardLabels {
  /// Larger members are no labels.
  private static let largestText = 1024
  private static let largestJSON = 1 << 20
  /// Members of this many samples are parsed to find out whether JSON holds labels.
  private static let triedJSON = 100

  /// Each once. A label is a place in it.
  private(set) var texts: [String] = []
  /// The first that is none, as a sentence without its end.
  private(set) var bad: String?
  private var places: [String: Int32] = [:]
  /// By WebDataset's key, from the field cls, from others that end so, and from JSON.
  private var plain: [String: Int32] = [:]
  private var others: [String: Int32?] = [:]
  private var json: [String: Int32] = [:]
  /// By stem.
  private var ofStem: [String: Int32] = [:]
  private var jsonOfStem: [String: Int32] = [:]
  private var stems: Set<String> = []
  private var (parsed, found) = (0, 0)
  /// As the first versions of this program read them: see ``ShardListing/classNumbers``.
  private var numbers: [String: Int] = [:]

  /// Whether the member is to be read for ``add(_:member:_:)``.
  func wants(_ name: SampleName, _ member: TarMember) -> Bool {
    switch name.ending {
    case "cls": member.size <= Self.largestText
    case "json":
      member.size <= Self.largestJSON && (found > 0 || parsed < Self.triedJSON) && plain[name.key] == nil
        && ofStem[name.stem] == nil
    default: false
    }
  }

  /// Notes a member that may hold a label, whether it is read or not.
  mutating func note(_ name: SampleName, _ member: TarMember) {
    guard ["cls", "json"].contains(name.ending) else { return }
    stems.insert(name.stem)
    if name.ending == "cls", member.size > Self.largestText {
      bad = bad ?? "\(member.name) has \(grouped(member.size)) bytes, too many for a label"
    }
  }

  mutating func add(_ name: SampleName, member: String, _ bytes: [UInt8]) {
    if name.ending == "json" { return addJSON(name, member: member, bytes) }
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    if member.hasSuffix(".cls"), bytes.count <= 32, let number = Int(text), (0..<1_000_000).contains(number) {
      numbers[name.key] = number
    }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      bad = bad ?? "\(member) is no text"
      return
    }
    guard let place = place(of: text, member: member) else { return }
    ofStem[name.stem] = place
    if name.isPlain {
      plain[name.key] = place
    } else if let other = others[name.key], other != place {
      others.updateValue(nil, forKey: name.key)  // two labels: neither
    } else {
      others[name.key] = place
    }
  }

  private mutating func addJSON(_ name: SampleName, member: String, _ bytes: [UInt8]) {
    parsed += 1
    guard let text = (try? JSONDecoder().decode(LabelInJSON.self, from: Data(bytes)))?.text,
      let place = place(of: text.trimmingCharacters(in: .whitespacesAndNewlines), member: member)
    else { return }
    found += 1
    jsonOfStem[name.stem] = place
    if name.isPlain { json[name.key] = place }
  }

  /// Nil for a text that is no label.
  private mutating func place(of text: String, member: String) -> Int32? {
    if text.isEmpty || text.contains(where: \.isNewline) {
      bad = bad ?? "\(member) holds \(text.isEmpty ? "no" : "more than one line of") text"
      return nil
    }
    if let number = Int(text), !(0..<1_000_000).contains(number) {
      bad = bad ?? "the label \(number) of \(member) is outside 0...999999"
      return nil
    }
    if let known = places[text] { return known }
    let place = Int32(texts.count)
    texts.append(text)
    places[text] = place
    return place
  }

  // MARK: Of an image

  /// By WebDataset's key; -1 without one.
  func label(ofKey name: SampleName) -> Int32 {
    plain[name.key] ?? (others[name.key] ?? nil) ?? json[name.key] ?? -1
  }

  /// By the name up to its last dot; -1 without one.
  func label(ofStem name: SampleName) -> Int32 { ofStem[name.stem] ?? jsonOfStem[name.stem] ?? -1 }

  func number(ofKey name: SampleName) -> Int? { numbers[name.key] }

  /// Whether a `.cls` or `.json` lies beside the image by its name up to the last dot.
  func hasCompanion(_ name: SampleName) -> Bool { stems.contains(name.stem) }

  /// Whether a `.cls` or `.json` belongs to a key as a whole.
  func hasCompanion(ofKey key: String) -> Bool { stems.contains(key) }
}

/// An object's "label", "class" or "cls", the first of these that is a whole number or a text.
private struct LabelInJSON: Decodable {
  let text: String?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case label
    case `class`
    case cls
  }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    text =
      CodingKeys.allCases.lazy.compactMap { key in
        (try? values.decode(Int.self, forKey: key)).map { "\($0)" }
          ?? (try? values.decode(String.self, forKey: key))
      }.first
  }
}
