import Foundation
import Images
import Testing

@Suite("Errors say what, where and how to fix it")
struct ErrorTextTests {
  @Test func imageErrorsReadAsOneLine() {
    let texts: [(ImageError, String)] = [
      (.unreadable(reason: "Permission denied"), "cannot be read: Permission denied"),
      (.empty, "the file is empty; fetch or copy it again"),
      (
        .unknownFormat(firstBytes: [0x47, 0x49, 0x0A]),
        "not a JPEG, PNG, WebP, TIFF, BMP, GIF, PNM or AVIF image (it begins with 47 49 0a); convert it or take it out"
      ),
      (.truncated(.jpeg), "the JPEG image ends too early; fetch or copy it again"),
      (
        .corrupt(.png, detail: "IHDR: CRC error"),
        "the PNG image is damaged (IHDR: CRC error); fetch or copy it again"
      ),
      (
        .unsupported(.webp, detail: "why"),
        "this kind of WebP image is not supported (why); save it as plain 8-bit RGB"
      ),
      (
        .noLabels(.jpeg, detail: "why"),
        "this JPEG image has no labels (why); save labels as PNG, gray or with a palette"
      ),
      (
        .tooManyPixels(width: 65500, height: 65500, limit: 100_000_000),
        "the image is 65500 x 65500 = 4.3 G pixels, over the limit of 100 M; scale it down or raise --max-pixels"
      ),
      (
        .fileTooLarge(bytes: 3_000_000_000, limit: 1 << 28),
        "the file has 3 G bytes, over the limit of 268 M; make it smaller, or raise this limit with --max-pixels 1200000000"
      ),
      (
        .tooManyScans(limit: 100),
        "the progressive JPEG has more than 100 scans, which no encoder needs; save it again"
      ),
      (
        .tooMuchWork(.jpeg, limit: 400_000_000),
        "the JPEG image is over the limit of 400 M on its pixels times its scans; scale it down, save it as a "
          + "baseline JPEG, or raise --max-pixels, which raises this limit too"
      ),
      (
        .tooMuchWork(.png, limit: 400_000_000),
        "the PNG image is over the limit of 400 M on its bytes before compression, doubled, and again if "
          + "interlaced; scale it down, save it as plain 8-bit RGB, or raise --max-pixels, which raises this limit too"
      ),
      (
        .tooMuchMemory(bytes: 540_000_000, limit: 320 << 20),
        "decoding the image takes 540 M bytes, over the limit of 336 M; scale it down, or raise this limit "
          + "with --max-pixels 170000000"
      ),
      (
        .outOfMemory(bytes: 1500),
        "not enough memory for the image's 1.5 k bytes; use fewer workers or smaller images"
      ),
      (.cannotEncode(detail: "why"), "cannot be encoded: why"),
      (.inFile(path: "a/b.jpg", .empty), "a/b.jpg: the file is empty; fetch or copy it again"),
    ]
    for (error, text) in texts {
      #expect("\(error)" == text)
      #expect(error.localizedDescription == text)
    }
  }

  @Test func aFileThatCannotBeReadIsNamed() throws {
    let missing = "/nonexistent/picture.jpg"
    #expect(
      throws: ImageError.inFile(path: missing, .unreadable(reason: "No such file or directory"))
    ) { try ImageDecoder().decode(contentsOf: missing) }
    let folder = FileManager.default.temporaryDirectory.path()
    #expect(throws: ImageError.inFile(path: folder, .unreadable(reason: "not a regular file"))) {
      try ImageDecoder().decode(contentsOf: folder)
    }
    #expect(ImageError.inFile(path: missing, .truncated(.png)).reason == .truncated(.png))
  }
}
