import Files
import Foundation
import TestSupport

/// Runs `body` with the path of a file of these bytes.
func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
  try withFolder { folder in
    let path = joined(folder, "x.safetensors")
    try put(bytes, at: path)
    try body(path)
  }
}

func fixture(_ name: String) -> String {
  URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)").path()
}

/// A safetensors file made by hand.
func file(_ json: String, data: Int = 0) -> [UInt8] {
  withUnsafeBytes(of: UInt64(json.utf8.count).littleEndian) { Array($0) } + Array(json.utf8)
    + [UInt8](repeating: 0, count: data)
}
