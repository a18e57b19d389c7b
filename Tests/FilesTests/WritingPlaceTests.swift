import Foundation
import TestSupport
import Testing
@testable import Files

/// Where files are written, and where not.
@Suite struct WritingPlaceTests {
  @Test func pathsAreSplitAtTheirLastSlash() {
    let cases = [
      ("x", ".", "x"), ("/", "/", ""), ("", ".", ""), ("/x", "/", "x"), ("a/b", "a", "b"),
      ("a/b/c.d", "a/b", "c.d"),
      ("a/", "a", ""),
    ]
    for (path, folder, name) in cases {
      #expect(path.parentFolder == folder && path.lastPathPart == name, "\(path)")
    }
  }

  private func write(_ text: String, to path: String) throws { try replaceFile(path) { try $0.write(text) } }

  private func refusal(_ path: String) throws -> String {
    let checked = try failure(FileError.self) { try checkReplaceable(path) }
    _ = try failure(FileError.self) { try write("x", to: path) }
    return checked.description
  }

  @Test func aLinkStaysAndWhatItLeadsToIsReplaced() throws {
    try withFolder { folder in
      let (link, file) = (joined(folder, "link"), joined(folder, "file"))
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "file")
      for text in ["new", "newer"] {  // a file that is not there yet, and one that is
        try checkReplaceable(link)
        try write(text, to: link)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "file")
        #expect(try bytes(at: file) == Array(text.utf8))
      }
      #expect(try names(in: folder) == ["file", "link"])
      let circle = joined(folder, "circle")
      try FileManager.default.createSymbolicLink(atPath: circle, withDestinationPath: "circle")
      #expect(
        try refusal(circle) == "cannot open \(circle): its symbolic links lead in a circle. Check the path.")
    }
  }

  @Test func whatIsNoFileIsRefusedAndStays() throws {
    try withFolder { folder in
      let pipe = joined(folder, "pipe")
      #expect(mkfifo(pipe, 0o600) == 0)
      for path in [pipe, "/dev/null"] {
        let text = try refusal(path)
        #expect(
          text == "cannot write \(path): it is no regular file but a pipe, a device or the like. Name a file."
        )
      }
      for path in [folder, folder + "/"] {
        let text = try refusal(path)
        #expect(text == "cannot write \(path): it is a folder. Name a file.")
      }
      var status = stat()
      #expect(lstat(pipe, &status) == 0)
      #expect(status.st_mode & S_IFMT == S_IFIFO)
      #expect(try names(in: folder) == ["pipe"])
    }
  }

  @Test func aMissingFolderIsSaidUnlessItWillBeMade() throws {
    try withFolder { folder in
      let path = joined(folder, "no/where/x")
      #expect(
        try refusal(path)
          == "cannot write into the folder \(folder)/no/where: there is no such file or folder. Check the path."
      )
      try checkReplaceable(path, makesFolders: true)
      for path in ["missing-folder/x", "missing-folder/deeper/x"] {
        try checkReplaceable(path, makesFolders: true)  // in the current folder
      }
      try put([1], at: joined(folder, "file"))
      #expect(
        try refusal(joined(folder, "file/x"))
          == "cannot write into the folder \(folder)/file: it is no folder. Check the path.")
      #expect(throws: FileError.self) {
        try checkReplaceable(joined(folder, "file/no/x"), makesFolders: true)
      }
    }
  }

  /// Two at a time do not write into each other's unfinished file, and a link in its place is not followed.
  @Test func writersDoNotMeet() throws {
    try withFolder { folder in
      let path = joined(folder, "x")
      try replaceFile(path) { first in
        try first.write("first")
        try replaceFile(path) { second in
          try second.write("second")
          let unfinished = try names(in: folder)
          #expect(unfinished.count == 2 && unfinished.allSatisfy { $0.hasPrefix(unfinishedPrefix) })
        }
        #expect(try bytes(at: path) == Array("second".utf8))
      }
      #expect(try bytes(at: path) == Array("first".utf8))
      #expect(try names(in: folder) == ["x"])
      try FileManager.default.createSymbolicLink(atPath: path + "-link", withDestinationPath: path)
      let error = try failure(FileError.self) { _ = try FileWriter(path + "-link") }
      #expect(error.code == EEXIST)
      #expect(try bytes(at: path) == Array("first".utf8))
    }
  }
}
