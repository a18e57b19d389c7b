import Foundation

// Numbers and words as people read them.

/// `value` with a fixed number of digits behind the point.
package func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// 1234567 as "1,234,567".
package func grouped(_ number: Int) -> String {
  var digits = Array(String(number))
  for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: place) }
  return String(digits)
}

/// `3 d 04:05:06`, `04:05:06` or `05:06`.
package func duration(_ seconds: Double) -> String {
  guard seconds >= 0, let total = Int(exactly: seconds.rounded()) else { return "–" }
  let (days, hours, minutes) = (total / 86400, total / 3600 % 24, total / 60 % 60)
  let clock = String(format: "%02d:%02d", minutes, total % 60)
  if days > 0 { return "\(days) d " + String(format: "%02d:", hours) + clock }
  return hours > 0 ? String(format: "%02d:", hours) + clock : clock
}

extension String {
  /// With spaces behind it, to line columns up.
  package func padded(to width: Int) -> String {
    count >= width ? self : self + String(repeating: " ", count: width - count)
  }
}

/// The middle one, or the upper of the two in the middle.
package func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

/// A field of a CSV file (RFC 4180): in quotes where it holds a comma, a quote or a line break.
package func quotedForCSV(_ text: String) -> String {
  guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
  return "\"" + text.replacing("\"", with: "\"\"") + "\""
}

/// Words of a command line as a shell reads them again.
package func quotedForShell(_ words: [String]) -> String {
  let safe = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "-_./,=:@%+"))
  return words.map { word in
    !word.isEmpty && word.unicodeScalars.allSatisfy(safe.contains)
      ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }.joined(separator: " ")
}

/// Text as the content of an XML or HTML element or a quoted attribute: markup is escaped, line ends become spaces,
/// and what XML 1.0 cannot hold becomes U+FFFD.
package func escapedForXML(_ text: String) -> String {
  var escaped = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": escaped += "&amp;"
    case "<": escaped += "&lt;"
    case ">": escaped += "&gt;"
    case "\"": escaped += "&quot;"
    case "'": escaped += "&#39;"
    case "\t", "\n", "\r": escaped += " "
    case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": escaped += "\u{FFFD}"
    default: escaped.unicodeScalars.append(scalar)
    }
  }
  return escaped
}

/// ` Did you mean X?` where something known is near.
package func suggestion(for name: String, among known: [String]) -> String {
  let nearest = known.min { editDistance(name, $0) < editDistance(name, $1) }
  guard let nearest, editDistance(name, nearest) <= max(2, name.count / 3) else { return "" }
  return " Did you mean `\(nearest)`?"
}

/// Insertions, deletions and replacements that turn `a` into `b` (Levenshtein).
func editDistance(_ a: String, _ b: String) -> Int {
  let b = Array(b)
  var row = Array(0...b.count)
  for (i, character) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let above = row[j + 1]
      row[j + 1] = min(above + 1, row[j] + 1, diagonal + (character == b[j] ? 0 : 1))
      diagonal = above
    }
  }
  return row[b.count]
}

/// At most three digits and a unit: 950, 4.3 G, 100 M.
package func short(_ value: Double) -> String {
  let (scale, unit) =
    switch value {
    case ..<1e3: (1.0, "")
    case ..<1e6: (1e3, " k")
    case ..<1e9: (1e6, " M")
    case ..<1e12: (1e9, " G")
    case ..<1e15: (1e12, " T")
    default: (1e18, " E")
    }
  let scaled = value / scale
  let tenths = (scaled * 10).rounded() / 10
  let digits = tenths < 100 && tenths != tenths.rounded() ? "\(tenths)" : "\(Int(scaled.rounded()))"
  return digits + unit
}
