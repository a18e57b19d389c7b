/// Names from a pattern with braces, by the rules that webdataset uses (those of braceexpand 0.1.7, which are Bash's with
/// few exceptions):
///
///     a-{000..012}   numbers, as wide as the wider end where one begins with 0; they may count down
///     {0..100..5}    every fifth; the sign of a step does not matter
///     {a..e}         letters; all upper-case ones come before the lower-case ones
///     {train,val}    each of these; braces may stand in braces
///
/// Several braces give every combination, the last one changing fastest. Braces that are none of these stand for
/// themselves, and so does a character behind `\`.
struct BraceExpansion {
  enum Failure: Error, Equatable {
    case unbalanced
    case tooMany
    case tooDeep
  }

  /// Braces in braces.
  private static let deepest = 32

  private let parts: [Part]

  /// - Throws: ``Failure/unbalanced``, ``Failure/tooDeep``, and ``Failure/tooMany`` for numbers beyond 64 bits.
  init(_ pattern: String) throws(Failure) { parts = try Self.parse(Array(pattern)[...], depth: 0) }

  /// The names in order, once it is known that there are not more than `limit`.
  ///
  /// - Throws: ``Failure/tooMany``.
  func names(limit: Int) throws(Failure) -> [String] {
    guard let count = Self.count(parts), count <= limit else { throw .tooMany }
    return Self.names(parts).map { Self.unescaped($0) }
  }

  private indirect enum Part {
    case text(String)
    case range(BraceRange)
    /// Each with parts of its own.
    case choices([[Part]])
  }

  // MARK: Reading

  private static func parse(_ text: ArraySlice<Character>, depth: Int) throws(Failure) -> [Part] {
    guard depth <= deepest else { throw .tooDeep }
    var parts: [Part] = []
    var rest = text
    while let open = try firstBrace(in: rest) {
      parts.append(.text(String(rest[..<open.lowerBound])))
      let inner = rest[(open.lowerBound + 1)..<open.upperBound]
      if let range = try BraceRange(String(inner)) {
        parts.append(.range(range))
      } else {
        let choices = split(inner)
        if choices.count > 1 {
          var parsed: [[Part]] = []
          for choice in choices { parsed.append(try parse(choice, depth: depth + 1)) }
          parts.append(.choices(parsed))
        } else {
          parts += [.text("{")] + (try parse(inner, depth: depth + 1)) + [.text("}")]
        }
      }
      rest = rest[(open.upperBound + 1)...]
    }
    return parts + [.text(String(rest))]
  }

  /// The places of the first brace that opens and of the one that closes it.
  private static func firstBrace(in text: ArraySlice<Character>) throws(Failure) -> Range<Int>? {
    var open: Int?
    var depth = 0
    var place = text.startIndex
    while place < text.endIndex {
      switch text[place] {
      case "\\": place += 1
      case "{":
        if depth == 0 { open = place }
        depth += 1
      case "}":
        depth -= 1
        if depth < 0 { throw .unbalanced }
        if depth == 0, let open { return open..<place }
      default: break
      }
      place += 1
    }
    if depth != 0 { throw .unbalanced }
    return nil
  }

  /// The parts between commas that stand in no inner braces.
  private static func split(_ text: ArraySlice<Character>) -> [ArraySlice<Character>] {
    var parts: [ArraySlice<Character>] = []
    var (start, place, depth) = (text.startIndex, text.startIndex, 0)
    while place < text.endIndex {
      switch text[place] {
      case "\\": place += 1
      case "{": depth += 1
      case "}": depth -= 1
      case "," where depth == 0:
        parts.append(text[start..<place])
        start = place + 1
      default: break
      }
      place += 1
    }
    return parts + [text[start...]]
  }

  // MARK: Expanding

  /// Nil beyond 64 bits.
  private static func count(_ parts: [Part]) -> Int? {
    var product = 1
    for part in parts {
      let count: Int?
      switch part {
      case .text: continue
      case .range(let range): count = range.count
      case .choices(let choices):
        count = choices.reduce(0 as Int?) { sum, choice in
          guard let sum, let more = Self.count(choice) else { return nil }
          let (total, overflows) = sum.addingReportingOverflow(more)
          return overflows ? nil : total
        }
      }
      guard let count else { return nil }
      let (next, overflows) = product.multipliedReportingOverflow(by: count)
      if overflows { return nil }
      product = next
    }
    return product
  }

  private static func names(_ parts: [Part]) -> [String] {
    var names = [""]
    for part in parts {
      switch part {
      case .text(let text): names = names.map { $0 + text }
      case .range(let range): names = names.flatMap { start in range.texts.map { start + $0 } }
      case .choices(let choices):
        let all = choices.flatMap { Self.names($0) }
        names = names.flatMap { start in all.map { start + $0 } }
      }
    }
    return names
  }

  private static func unescaped(_ name: String) -> String {
    guard name.contains("\\") else { return name }
    var plain = ""
    var isEscaped = false
    for character in name {
      if character == "\\", !isEscaped {
        isEscaped = true
      } else {
        plain.append(character)
        isEscaped = false
      }
    }
    return isEscaped ? plain + "\\" : plain
  }
}

/// Numbers or letters from one to another, as between the braces of `{000..012}`, `{9..0..3}` or `{a..e}`.
struct BraceRange {
  private enum Kind {
    /// Digits and sign together fill the width.
    case numbers(width: Int)
    case letters
  }

  private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

  private let kind: Kind
  private let first: Int
  private let last: Int
  private let step: Int

  /// Nil where the text is no range.
  ///
  /// - Throws: ``BraceExpansion/Failure/tooMany`` for numbers beyond 64 bits.
  init?(_ text: String) throws(BraceExpansion.Failure) {
    if let found = text.wholeMatch(of: /(-?[0-9]+)\.\.(-?[0-9]+)(?:\.\.-?([0-9]+))?/) {
      guard let first = Int(found.1), let last = Int(found.2) else { throw .tooMany }
      (self.first, self.last, step) = (first, last, Self.step(found.3))
      let isPadded = [found.1, found.2].contains { end in
        (end.hasPrefix("0") || end.hasPrefix("-0")) && end != "0" && end != "-0"
      }
      kind = .numbers(width: isPadded ? max(found.1.count, found.2.count) : 0)
    } else if let found = text.wholeMatch(of: /([A-Za-z])\.\.([A-Za-z])(?:\.\.-?([0-9]+))?/),
      let first = Self.letters.firstIndex(where: { String($0) == found.1 }),
      let last = Self.letters.firstIndex(where: { String($0) == found.2 })
    {
      (self.first, self.last, step, kind) = (first, last, Self.step(found.3), .letters)
    } else {
      return nil
    }
  }

  /// 1 unless given; a step that large leaves the first number alone.
  private static func step(_ text: Substring?) -> Int { text.map { max(1, Int($0) ?? .max) } ?? 1 }

  /// Nil beyond 64 bits.
  var count: Int? {
    let (distance, overflows) = max(first, last).subtractingReportingOverflow(min(first, last))
    return overflows || distance == .max ? nil : distance / step + 1
  }

  /// Ask for ``count`` first.
  var texts: [String] {
    (0..<(count ?? 0)).map { turn in
      let value = first < last ? first + turn * step : first - turn * step
      switch kind {
      case .letters: return String(Self.letters[value])
      case .numbers(let width):
        return value < 0 ? "-" + padded(value.magnitude, to: width - 1) : padded(value, to: width)
      }
    }
  }
}

/// `number` with zeros before it, at least `width` digits.
func padded(_ number: some BinaryInteger, to width: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
