import Foundation
import Testing

/// How often a page has a part.
func count(_ part: String, in text: String) -> Int { text.components(separatedBy: part).count - 1 }

/// A section's markup.
func section(_ id: String, of page: String) throws -> String {
  let start = try #require(page.range(of: "<section id=\"\(id)\">"))
  let end = try #require(page.range(of: "</section>", range: start.upperBound..<page.endIndex))
  return String(page[start.upperBound..<end.lowerBound])
}
