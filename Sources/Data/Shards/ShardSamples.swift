import Files
import Foundation
import Images

/// The images of shards in any order.
///
/// In a plain tar file each is read from its place. In a packed one, and of a command's output, everything before it
/// is read too, every time: right, but slow. Read many through a ``ShardStream``.
struct ShardSamples: FileSource {
  let index: ShardIndex

  init(_ index: ShardIndex) { self.index = index }

  var count: Int { index.count }
  func annotation(_ index: Int) -> Annotation { self.index.label(index).map { .class($0) } ?? .none }
  func name(_ index: Int) -> String { self.index.name(index) }
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer? {
    let bytes = try bytes(index)
    let memory = try scratch.room(forFileOf: bytes.count)
    memory.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(memory)
  }

  /// The file as it lies in the shard.
  ///
  /// - Throws: ``ShardError``.
  func bytes(_ sample: Int) throws(ShardError) -> [UInt8] {
    let (shard, member) = index.numbering.place(sample)
    if case .file(let path) = index.sources[shard], let listing = index.listings?[shard],
      let offsets = listing.offsets
    {
      return try read(path, listing.sizes[member], at: offsets[member], shard)
    }
    let reader = try TarReader(
      index.sources[shard], limit: index.limit, patience: ShardRetries().patience)
    var number = 0
    while let found = try reader.next() {
      guard index.rule.takes(found.name) else { continue }
      try index.check(found, number, inShard: shard) { () throws(ShardError) in
        try reader.countImages(index.rule)
      }
      if number == member { return try reader.readAll() }
      number += 1
    }
    index.forget(shard)
    throw index.endsEarly(shard, after: number)
  }

  private func read(_ path: String, _ count: Int, at offset: Int, _ shard: Int) throws(ShardError) -> [UInt8]
  {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw .unreadable(shard: path, reason: String(cString: strerror(errno))) }
    defer { close(file) }
    var problem: ShardError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
      while filled < count, problem == nil {
        let step = pread(file, memory.baseAddress! + filled, count - filled, off_t(offset + filled))
        if step > 0 {
          filled += step
        } else if step == 0 {
          problem = index.endsBefore(byte: offset + count, shard)
        } else if errno != EINTR {
          problem = .unreadable(shard: path, reason: String(cString: strerror(errno)))
        }
      }
    }
    if let problem { throw problem }
    return bytes
  }
}
