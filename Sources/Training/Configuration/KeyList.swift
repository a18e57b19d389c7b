import Methods

/// Numbers with commas between them, as `480,512`; in YAML a list.
package struct KeyList<Element: KeyValue & LosslessStringConvertible>: KeyValue, ExpressibleByArrayLiteral {
  package let all: [Element]

  package init(_ all: [Element]) { self.all = all }
  package init(arrayLiteral elements: Element...) { all = elements }

  package init?(argument: String) {
    let parts = argument.isEmpty ? [] : argument.split(separator: ",", omittingEmptySubsequences: false)
    all = parts.compactMap { Element(argument: String($0)) }
    guard all.count == parts.count else { return nil }
  }

  package init(from decoder: any Decoder) throws {
    let place = try decoder.singleValueContainer()
    if let one = try? place.decode(Element.self) {
      all = [one]
    } else {
      all = try place.decode([Element].self)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var place = encoder.singleValueContainer()
    try place.encode(all)
  }

  package var text: String { all.map(\.text).joined(separator: ",") }
  package static var takesList: Bool { true }
  package static var form: String { "numbers with commas between them" }
}
