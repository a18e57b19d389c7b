/// The lines of a table in Markdown; the second is its ruler.
func markdownTable(_ lines: [[String]]) -> String {
  lines.map { "| " + $0.map(inOneMarkdownField).joined(separator: " | ") + " |\n" }.joined()
}

/// Text that neither ends a field of a Markdown table nor its line.
func inOneMarkdownField(_ text: String) -> String {
  text.replacing("|", with: "\\|").split(whereSeparator: \.isNewline).joined(separator: " ")
}
