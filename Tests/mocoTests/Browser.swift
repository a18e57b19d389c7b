import Foundation
import TestSupport
import Testing

/// Headless Chromium, which looks at pages as people do.
struct Browser {
  let path: String

  /// The environment variable CHROMIUM, or one on the PATH.
  static let found: Browser? = {
    let named = ProcessInfo.processInfo.environment["CHROMIUM"].map { [$0] }
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    let known = ["chromium", "chromium-browser", "google-chrome"].flatMap { name in
      folders.map { "\($0)/\(name)" }
    }
    if let path = (named ?? known).first(where: FileManager.default.isExecutableFile) {
      return Browser(path: path)
    }
    print("Pages are not opened in a browser: there is no chromium on the PATH. Set CHROMIUM.")
    return nil
  }()

  /// What a page is like once everything has loaded.
  struct Look: Decodable {
    let images: Int
    /// Descriptions of the pictures that did not load.
    let broken: [String]
    /// Pixels that the window and the content are wide.
    let width: Int
    let content: Int
    /// Pixels that the content is high.
    let height: Int
    /// What was fetched beside the page.
    let fetched: [String]
    /// What the page wrote on the console, errors among it.
    var console: [String] = []

    private enum CodingKeys: CodingKey { case images, broken, width, content, height, fetched }
  }

  /// A page of 390 pixels needs a frame: a window has at least 500.
  private func frame(_ page: String, width: Int, height: Int) throws -> URL {
    let file = URL(fileURLWithPath: temporaryFolder() + "/look.html")
    let address = URL(fileURLWithPath: page).absoluteString
    let html = """
      <!doctype html><meta charset="utf-8">
      <style>body { margin: 0 } iframe { border: 0; display: block }</style>
      <iframe src="\(address)" style="width: \(width)px; height: \(height)px"></iframe><pre></pre>
      <script>
      const frame = document.querySelector("iframe")
      frame.addEventListener("load", () => {
        const page = frame.contentDocument, root = page.documentElement, images = [...page.images]
        document.querySelector("pre").textContent = JSON.stringify({
          images: images.length,
          broken: images.filter(i => !(i.complete && i.naturalWidth > 0)).map(i => i.alt),
          width: root.clientWidth, content: root.scrollWidth, height: root.scrollHeight,
          fetched: frame.contentWindow.performance.getEntriesByType("resource").map(e => e.name)
            .filter(name => !name.startsWith("data:")),
        })
      })
      </script>
      """
    try Data(html.utf8).write(to: file)
    return file
  }

  func look(at page: String, width: Int) throws -> Look {
    let (dom, log) = try run(["--dump-dom", frame(page, width: width, height: 800).absoluteString])
    let start = try #require(dom.range(of: "<pre>"), "\(log)")
    let end = try #require(dom.range(of: "</pre>"))
    let text = dom[start.upperBound..<end.lowerBound]
    var look = try JSONDecoder().decode(Look.self, from: Data(text.utf8))
    look.console = log.split(separator: "\n").filter { $0.contains(":CONSOLE") }.map(String.init)
    return look
  }

  /// Writes what the page looks like, whole, as a PNG.
  func photograph(_ page: String, width: Int, height: Int, dark: Bool, to path: String) throws {
    _ = try run([
      "--window-size=\(max(width, 500)),\(height)", "--blink-settings=preferredColorScheme=\(dark ? 0 : 1)",
      "--screenshot=\(path)", frame(page, width: width, height: height).absoluteString,
    ])
  }

  private func run(_ arguments: [String]) throws -> (output: String, log: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let profile = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: profile) }
    // A browser that hangs must not hang the tests.
    process.arguments =
      [
        "timeout", "120", path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
        "--disable-component-update",
        "--allow-file-access-from-files", "--enable-logging=stderr", "--v=0", "--user-data-dir=\(profile)",
      ] + arguments
    // Files, because the browser's helpers may outlive it and hold a pipe open.
    let (output, log) = (profile + "/output.txt", profile + "/log.txt")
    for file in [output, log] { try Data().write(to: URL(fileURLWithPath: file)) }
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
    try process.run()
    process.waitUntilExit()
    let texts = try [output, log].map {
      String(decoding: try Data(contentsOf: URL(fileURLWithPath: $0)), as: UTF8.self)
    }
    try #require(process.terminationStatus == 0, "\(texts[1])")
    return (texts[0], texts[1])
  }
}
