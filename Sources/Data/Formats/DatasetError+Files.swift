import Files
import Images

extension DatasetError {
  /// From the error of a file of a data set: its fault, and the fix for someone who has downloaded it.
  init(of path: String, _ error: any Error) {
    switch error {
    case let error as DatasetError: self = error
    case let error as InterchangeError:
      switch error.problem {
      case .overLimit(let what):
        self = .badFile(reason: "\(error.path) is over a limit of this program: \(what)")
      case .pickle(let what, let byte):
        self = .badFile(
          reason: "\(error.path) has a pickle that is not read: \(what) at byte \(byte); download it again")
      case .forbidden(let global, let byte):
        self = .badFile(
          reason:
            "\(error.path) asks to call \(global) (byte \(byte) of its pickle), which a data set does not need. "
            + "Nothing was called; do not trust this file")
      default: self = .badFile(reason: "\(error)")
      }
    case let error as FileError: self = .unreadable(path: path, reason: error.reason)
    case let error as ImageError: self = .unreadable(path: path, reason: "\(error.reason)")
    case let error as TableError: self = .badLine(path: path, line: error.line, detail: error.detail)
    default: self = .badFile(reason: "\(error)")
    }
  }
}

/// Turns the errors of files into those of data sets.
func readingDataset<Result>(_ path: String, _ body: () throws -> Result) throws(DatasetError) -> Result {
  do { return try body() } catch { throw DatasetError(of: path, error) }
}
