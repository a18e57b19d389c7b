import Files
import Foundation
import Images
import Synchronization

/// The images of Parquet files. A group of rows is read as a whole, since its columns are packed; the last groups are kept
/// up to a limit, so that reading in sequence, or at random in a set below the limit, reads each once.
final class ParquetImages: FileSource {
  struct Part: Sendable {
    var file: ParquetFile
    var image: ParquetFile.Column
  }

  private struct Group: Hashable {
    var part: Int
    var group: Int
  }

  private struct Kept {
    var groups: [Group: ByteColumn] = [:]
    /// The latest used last.
    var order: [Group] = []
    var bytes = 0
  }

  static let standardLimit = 1 << 30

  let count: Int
  private let parts: [Part]
  /// One for each image, or empty.
  private let labels: [Int32]
  private let maxFileBytes: Int
  /// Bytes of groups that are kept; one is kept in any case.
  private let limit: Int
  private let groups: [Group]
  /// The first row of each of ``groups`` in the set.
  private let starts: [Int]
  /// The first row of each of ``parts`` in the set.
  private let firsts: [Int]
  private let kept = Mutex(Kept())
  /// One group is read at a time.
  private let reading = NSLock()

  init(_ parts: [Part], labels: [Int32], maxFileBytes: Int, keeping limit: Int = standardLimit) {
    (self.parts, self.labels, self.maxFileBytes, self.limit) = (parts, labels, maxFileBytes, limit)
    var (groups, starts, total) = ([Group](), [Int](), 0)
    var firsts: [Int] = []
    for (number, part) in parts.enumerated() {
      firsts.append(total)
      for (group, rows) in part.file.rows.enumerated() where rows > 0 {
        groups.append(Group(part: number, group: group))
        starts.append(total)
        total += rows
      }
    }
    precondition(labels.isEmpty || labels.count == total, "\(labels.count) labels for \(total) images")
    (self.groups, self.starts, self.firsts, count) = (groups, starts, firsts, total)
  }

  func annotation(_ index: Int) -> Annotation { labels.isEmpty ? .none : .class(Int(labels[index])) }

  /// The file and the row's number in it.
  func name(_ index: Int) -> String {
    let part = groups[place(index)].part
    return "\(parts[part].file.path.lastPathPart)#\(index - firsts[part])"
  }

  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    let place = place(index)
    let column = try column(groups[place])
    let copied = try column.withBytes(index - starts[place]) { bytes -> UnsafeRawBufferPointer in
      guard bytes.count <= maxFileBytes else {
        throw ImageError.fileTooLarge(bytes: bytes.count, limit: maxFileBytes)
      }
      let memory = try scratch.room(forFileOf: bytes.count)
      memory.copyMemory(from: bytes)
      return UnsafeRawBufferPointer(memory)
    }
    guard let copied else { throw ImageError.empty }
    return copied
  }

  /// Checks that the first group holds images, and not their names alone.
  func checkFirst() throws(DatasetError) {
    guard let first = groups.first else { return }
    let found = try readingDataset(parts[first.part].file.path) { try column(first) }
    guard found.hasValues else {
      throw .badFile(
        reason:
          "\(parts[first.part].file.path) holds the names of its images only, not the images; write it again from "
          + "images in it: ds.with_format(\"arrow\").map(datasets.table.embed_table_storage, batched=True)")
    }
  }

  private func place(_ index: Int) -> Int {
    precondition(index >= 0 && index < count, "image \(index) of \(count)")
    // Starts are sorted and no group is empty.
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= index { low = middle } else { high = middle }
    }
    return low
  }

  private func column(_ group: Group) throws -> ByteColumn {
    if let found = keptColumn(group) { return found }
    reading.lock()
    defer { reading.unlock() }
    if let found = keptColumn(group) { return found }
    let part = parts[group.part]
    let column: ByteColumn
    do throws(DatasetError) {
      column = try part.file.bytes(part.image, group: group.group)
    } catch {
      throw ImageError.unreadable(reason: "\(error)")
    }
    kept.withLock { kept in
      kept.groups[group] = column
      kept.order.append(group)
      kept.bytes += column.byteCount
      while kept.bytes > limit, kept.order.count > 1 {
        let oldest = kept.order.removeFirst()
        kept.bytes -= kept.groups.removeValue(forKey: oldest)?.byteCount ?? 0
      }
    }
    return column
  }

  private func keptColumn(_ group: Group) -> ByteColumn? {
    kept.withLock { kept in
      guard let found = kept.groups[group] else { return nil }
      if kept.order.last != group, let place = kept.order.firstIndex(of: group) {
        kept.order.remove(at: place)
        kept.order.append(group)
      }
      return found
    }
  }
}
