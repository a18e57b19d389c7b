import Files

/// A COCO file, or one of results, that is not read: where, and why.
package enum COCOFileError: Error, Equatable {
  /// The byte counts from 0.
  case notJSON(path: String, byte: Int, reason: String)
  case tooDeep(path: String, byte: Int, limit: Int)
  /// A text, number or gap that is too long.
  case tooLong(path: String, byte: Int, limit: Int)
  /// More of something than this program reads.
  case overLimit(path: String, place: String, limit: Int)
  case wrongType(path: String, place: String, expected: String, found: String)
  case missingKey(path: String, place: String, key: String)
}

extension COCOFileError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notJSON(let path, let byte, let reason):
      "\(path) is not JSON: \(reason), at byte \(byte). Write or download it again"
    case .tooDeep(let path, let byte, let limit):
      "\(path) is nested more than \(limit) deep at byte \(byte), which no COCO file is"
    case .tooLong(let path, let byte, let limit):
      "\(path) has a value of more than \(grouped(limit)) bytes near byte \(byte), which no COCO file has"
    case .overLimit(let path, let place, let limit):
      "\(path), \(place): more than \(grouped(limit)), which is the limit of this program"
    case .wrongType(let path, let place, let expected, let found):
      "\(path), \(place): \(found) instead of \(expected)"
    case .missingKey(let path, let place, let key):
      "\(path), \(place): `\(key)` is missing"
    }
  }
}
