import CArchives
import Files
import Synchronization

/// A Parquet file: its columns, and their values group by group. Any number of threads may read; one reads at a time.
final class ParquetFile: Sendable {
  struct Column: Sendable, Equatable {
    var number: Int32
    /// With dots between the levels, as `image.bytes`.
    var name: String
    var kind: ca_parquet_kind
  }

  let path: String
  let columns: [Column]
  /// Rows of each group.
  let rows: [Int]
  /// The text under `huggingface`; nil without.
  let huggingFace: String?
  private let library: ParquetLibrary.Loaded
  private let handle: Mutex<Handle>

  private struct Handle: @unchecked Sendable {  // Only used with the lock held.
    let pointer: OpaquePointer
  }

  /// More groups or columns than any writer makes.
  private static let partLimit = 1_000_000

  /// - Parameter limit: Bytes that a group may take in memory, at most: small files are allowed less.
  /// - Throws: ``DatasetError``.
  init(_ path: String, limit: Int = 4 << 30) throws(DatasetError) {
    self.path = path
    let library: ParquetLibrary.Loaded
    switch ParquetLibrary.shared {
    case .success(let loaded): library = loaded
    case .failure(let why):
      throw .badFile(
        reason:
          "\(path) is Parquet, and reading it needs a library: \(why.reason). Or write tar shards with webdataset: "
          + "see docs/guide/formats.md")
    }
    let size = try readingDataset(path) { try FileReader(path).count }
    let (scaled, overflow) = size.multipliedReportingOverflow(by: 64)
    let most = overflow ? limit : min(limit, scaled + (64 << 20))
    let functions = library.functions
    var message = [CChar](repeating: 0, count: Int(CA_PARQUET_MESSAGE))
    var opened: OpaquePointer?
    guard functions.open(path, Int64(most), &opened, &message) == 0, let opened else {
      throw .badFile(reason: "\(path) is no Parquet file that can be read: \(Self.text(message))")
    }
    let (groups, width) = (functions.group_count(opened), functions.column_count(opened))
    let rows = (0..<max(0, groups)).map { Int(functions.group_rows(opened, $0)) }
    columns = (0..<max(0, width)).map { number in
      let name = functions.column_name(opened, number).map { String(cString: $0) }
      return Column(number: number, name: name ?? "", kind: functions.column_kind(opened, number))
    }
    huggingFace = functions.metadata(opened, "huggingface").map { String(cString: $0) }
    (self.rows, self.library) = (rows, library)
    handle = Mutex(Handle(pointer: opened))
    guard rows.count <= Self.partLimit, rows.allSatisfy({ $0 >= 0 && $0 <= Int(Int32.max) }) else {
      throw .badFile(reason: "\(path) is no Parquet file that can be read: its groups have impossible sizes")
    }
  }

  deinit { handle.withLock { library.functions.close($0.pointer) } }

  private static func text(_ message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      .split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  /// Hands the values of a column in a group to `body`.
  ///
  /// - Throws: ``DatasetError``, and the errors of `body`.
  private func read<Result>(
    _ column: Column, group: Int, _ body: (ca_parquet_column) throws -> Result
  ) throws -> Result {
    var values = ca_parquet_column()
    var message = [CChar](repeating: 0, count: Int(CA_PARQUET_MESSAGE))
    let status = handle.withLock {
      library.functions.read($0.pointer, Int32(group), column.number, &values, &message)
    }
    guard status == 0 else {
      throw DatasetError.badFile(
        reason:
          "\(path): the column \(column.name) cannot be read: \(Self.text(message)); fetch the file again")
    }
    defer { library.functions.release(&values) }
    guard values.count == Int64(rows[group]) else {
      throw DatasetError.badFile(
        reason:
          "\(path): the column \(column.name) has \(values.count) values in a group of \(rows[group]) rows")
    }
    return try body(values)
  }

  /// Whole numbers of all groups; nil where one is null.
  func numbers(_ column: Column) throws(DatasetError) -> [Int]? {
    try readingDataset(path) {
      var all: [Int] = []
      for group in rows.indices {
        let isWhole = try read(column, group: group) { values in
          for row in 0..<Int(values.count) {
            guard values.present[row] != 0 else { return false }
            all.append(Int(values.numbers[row]))
          }
          return true
        }
        if !isWhole { return nil }
      }
      return all
    }
  }

  /// The bytes of a group's rows, nil where they are null.
  func bytes(_ column: Column, group: Int) throws(DatasetError) -> ByteColumn {
    try readingDataset(path) { try read(column, group: group) { ByteColumn($0) } }
  }
}

/// Values of a column of bytes.
final class ByteColumn: Sendable {
  private let bytes: [UInt8]
  private let ends: [Int]
  private let present: [Bool]

  fileprivate init(_ values: ca_parquet_column) {
    let count = Int(values.count)
    ends = (0..<count).map { Int(values.ends[$0]) }
    present = (0..<count).map { values.present[$0] != 0 }
    bytes = Array(UnsafeBufferPointer(start: values.bytes, count: ends.last ?? 0))
  }

  var count: Int { ends.count }
  var byteCount: Int { bytes.count }
  var hasValues: Bool { present.contains(true) }

  /// The value of a row; nil where it is null.
  func withBytes<Result>(_ row: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result? {
    guard present[row] else { return nil }
    return try bytes.withUnsafeBytes { all in
      try body(UnsafeRawBufferPointer(rebasing: all[(row == 0 ? 0 : ends[row - 1])..<ends[row]]))
    }
  }
}
