import Files
import Foundation

enum Outcome: Hashable {
  case read, refused, unknownError
}

/// A file that is written again for each input.
final class ScratchFile {
  let path: String
  private let descriptor: Int32

  /// - Parameter ending: Of its name, for readers that look at it.
  init(_ ending: String = "") throws {
    path = FileManager.default.temporaryDirectory.appending(path: "mutations-\(getpid())\(ending)").path
    descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw FileError(.open, path) }
  }

  deinit {
    close(descriptor)
    unlink(path)
  }

  func write(_ bytes: [UInt8]) {
    let written = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    precondition(
      written == bytes.count && ftruncate(descriptor, off_t(bytes.count)) == 0, "cannot write \(path)")
  }
}

/// A way to read a file whole.
struct Reader {
  let name: String
  /// Part of the names of the fixtures that are good files for it.
  var fixture = ""
  /// Good files beside those.
  var texts: [String] = []
  let read: (String, [UInt8]) throws -> Void

  func takes(_ name: String) -> Bool { !fixture.isEmpty && name.contains(fixture) }

  func outcome(of bytes: [UInt8], _ file: ScratchFile) -> Outcome {
    file.write(bytes)
    do {
      try read(file.path, bytes)
      return .read
    } catch is InterchangeError {
      return .refused
    } catch is TableError {
      return .refused
    } catch let error where Self.isOfAnnotations(error) {
      return .refused
    } catch {
      return .unknownError
    }
  }

  /// Small, so that a changed size is met.
  private static var limits: ArrayLimits {
    var limits = ArrayLimits()
    (limits.bytes, limits.allowance) = (1 << 22, 1 << 20)
    return limits
  }

  static var all: [Reader] {
    files + annotations
  }

  private static var files: [Reader] {
    [
      Reader(name: "npz", fixture: " npz") { path, _ in
        let archive = try NumpyArchive(FileReader(path), limits: limits)
        for name in archive.names {
          _ = try archive.header(name)
          guard let array = try archive.array(name) else { continue }
          guard array.count < 1 << 20 else { continue }
          _ = try array.wholeNumbers()
        }
      },
      Reader(name: "mat", fixture: "svhn") { path, _ in try readMat(path) },
      Reader(name: "mat structures", fixture: " mat") { path, _ in try readMat(path) },
      Reader(name: "zip", fixture: " zip") { path, _ in
        let reader = try FileReader(path)
        let directory = try ZipDirectory(reader)
        let entries = try directory.listed(limit: 1000, nameLimit: 1000, ratioLimit: 1032)
        try directory.checkOverlap(entries)
        for entry in entries where entry.count < 1 << 22 {
          let part = try PartReader(
            reader, try directory.range(of: entry), entry.isDeflated ? .deflate : .stored, name: entry.name)
          _ = try part.bytes(entry.count)
          try part.finish()
        }
      },
      Reader(name: "pickle", fixture: "cifar") { path, _ in
        let dictionary = try PickledDictionary(FileReader(path))
        for name in dictionary.names {
          _ = try dictionary.texts(name)
          _ = try dictionary.numbers(name)
          if let array = try dictionary.array(name) { _ = try array.wholeNumbers() }
        }
      },
      Reader(
        name: "list",
        texts: [
          "\u{FEFF}a.jpg 1\nb.jpg 2\n# x\nc d.png\t3\r\n", "a.jpg cat\nb.jpg,golden retriever\n", "1\n2\n3\n",
          "a\n",
        ]
      ) { _, bytes in
        let list = try PathList(bytes) {
          [".jpg", ".png"].contains($0)
        } isThere: { _ in
          false
        }
        _ = try LabelNumbers(list.entries.map { ($0.label, $0.line) })
      },
      Reader(
        name: "table",
        texts: [
          "path,label\na.jpg,1\n\"b, c.jpg\",\"x\"\"y\"\r\n", "ImageId,PredictionString\nx,n01 1 2 3 4\n",
        ]
      ) { _, bytes in
        for separator in [",", "\t"] as [Unicode.Scalar] {
          try forEachRow(of: try tableText(bytes), separator: separator) { _, _ in }
        }
      },
    ]
  }

  private static func readMat(_ path: String) throws {
    let file = try MatFile(FileReader(path), limits: limits)
    for variable in file.variables {
      do {
        guard let array = try file.array(variable.name), array.count < 1 << 20 else { continue }
        _ = try array.wholeNumbers()
      } catch let error as InterchangeError {
        guard case .unsupported = error.problem else { throw error }
        _ = try file.structures(variable.name)
      }
    }
  }
}
