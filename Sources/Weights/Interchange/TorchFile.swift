import Files
import Torch

/// A file of `torch.save`, in its zip format or the one before PyTorch 1.6, or a pickle of numpy arrays.
///
/// The pickle is read by a ``PickleMachine``, which runs nothing; tensors are read on demand.
final class TorchFile {
  struct Entry {
    let name: String
    let type: ElementType
    let shape: [Int]
    let leaf: PickleFlattening.Leaf
  }

  /// Where a storage's bytes are.
  enum Place {
    case file(Range<Int>)
    case zip(ZipArchive.Entry)
  }

  let entries: [Entry]
  /// Kinds of objects that are no weights; see ``PickleFlattening/unread``.
  let unread: [String]
  /// The text values of the outermost dictionary.
  let texts: [String: String]
  let reader: FileReader
  let source: PickleSource
  let archive: ZipArchive?
  let places: [String: Place]
  /// Bytes that may yet be read or made: tensors may share theirs, so a small file could ask for any amount.
  var budget: Int

  private static let budgetAllowance = 32 << 20
  /// The first bytes of a file written before PyTorch 1.6.
  private static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

  /// Reads the pickle and checks that every tensor's bytes are there.
  init(_ reader: FileReader) throws {
    self.reader = reader
    budget = reader.count + Self.budgetAllowance
    let start = try reader.bytes(0..<min(4, reader.count))
    let contents: Contents
    if start == [0x50, 0x4B, 0x03, 0x04] {
      contents = try Self.zipContents(reader)
    } else if start.first == 0x80 {
      contents = try Self.pickleContents(reader)
    } else {
      throw InterchangeError(path: reader.path, problem: .unknownFormat)
    }
    (source, archive, places) = (contents.source, contents.archive, contents.places)
    let flat = try PickleFlattening(contents.root, of: contents.machine)
    (unread, texts) = (flat.unread, flat.texts)
    entries = flat.leaves.map { name, leaf in
      switch leaf {
      case .tensor(let tensor): Entry(name: name, type: tensor.type, shape: tensor.layout.shape, leaf: leaf)
      case .array(let array): Entry(name: name, type: array.type ?? .uint8, shape: array.shape, leaf: leaf)
      }
    }
  }
}

// MARK: - The formats

extension TorchFile {
  private struct Contents {
    var root: PickleValue
    var machine: PickleMachine
    var source: PickleSource
    var archive: ZipArchive?
    var places: [String: Place] = [:]
  }

  private static func damaged(_ what: String, _ reader: FileReader) -> InterchangeError {
    InterchangeError(path: reader.path, problem: .damaged(what))
  }

  private static func zipContents(_ reader: FileReader) throws -> Contents {
    let archive = try ZipArchive(reader)
    let pickles = archive.entries.values.filter { $0.name.hasSuffix("/data.pkl") }
    guard pickles.count == 1, let pickle = pickles.first else {
      throw InterchangeError(
        path: reader.path,
        problem: .unsupported("this zip file is not one of torch.save: it has no data.pkl."))
    }
    let folder = pickle.name.dropLast("data.pkl".count)
    guard archive.entries["\(folder)constants.pkl"] == nil else {
      throw InterchangeError(
        path: reader.path,
        problem: .unsupported("this is a TorchScript program. Save its state_dict() with torch.save."))
    }
    if let order = archive.entries["\(folder)byteorder"] {
      guard order.count < 16, try archive.bytes(order) == Array("little".utf8) else {
        throw InterchangeError(
          path: reader.path,
          problem: .unsupported("it was saved on a big-endian machine. Save it on another."))
      }
    }
    let source =
      pickle.isDeflated
      ? PickleSource(try archive.bytes(pickle), path: reader.path)
      : PickleSource(reader, try archive.checkedRange(pickle))
    var machine = PickleMachine(source)
    let root = try machine.run()
    guard machine.position == source.count else { throw machine.failure("something behind the end") }
    var places: [String: Place] = [:]
    for storage in machine.heap.storages {
      guard let entry = archive.entries["\(folder)data/\(storage.key)"],
        entry.count >= storage.count * storage.type.size
      else { throw damaged("the storage \(storage.key) is missing or too short", reader) }
      places[storage.key] = .zip(entry)
    }
    return Contents(root: root, machine: machine, source: source, archive: archive, places: places)
  }

  private static func pickleContents(_ reader: FileReader) throws -> Contents {
    let source = PickleSource(reader, 0..<reader.count)
    var machine = PickleMachine(source)
    let root = try machine.run()
    if case .long(let bytes) = root, bytes == magic {
      return try legacyContents(reader, source, after: machine.position)
    }
    guard machine.heap.storages.isEmpty else { throw machine.failure("tensors without their bytes") }
    guard machine.position == source.count else { throw machine.failure("something behind the end") }
    return Contents(root: root, machine: machine, source: source)
  }

  /// After the magic number: the protocol, the system, the objects, the storages' keys, then each storage as its
  /// number of elements and its bytes.
  private static func legacyContents(_ reader: FileReader, _ source: PickleSource, after start: Int) throws
    -> Contents
  {
    var machine = PickleMachine(source, at: start)
    guard case .integer(1001) = try machine.run() else { throw machine.failure("a version other than 1001") }
    machine = PickleMachine(source, at: machine.position)
    guard case .dictionary(let system) = try machine.run() else { throw machine.failure("no system") }
    for (key, value) in machine.heap.dictionaries[system].items {
      if case .bool(false) = value, try machine.text(key) == "little_endian" {
        throw InterchangeError(
          path: reader.path,
          problem: .unsupported("it was saved on a big-endian machine. Save it on another."))
      }
    }
    machine = PickleMachine(source, at: machine.position)
    let root = try machine.run()
    var keys = PickleMachine(source, at: machine.position)
    guard case .sequence(let list) = try keys.run() else { throw keys.failure("no list of storages") }
    let storages = Dictionary(machine.heap.storages.map { ($0.key, $0) }) {
      $0.type.size >= $1.type.size ? $0 : $1
    }
    var places: [String: Place] = [:]
    var position = keys.position
    for value in keys.heap.sequences[list] {
      let key = try keys.text(value)
      guard let storage = storages[key], places[key] == nil else {
        throw damaged("the storage \(key) is not needed, or there twice", reader)
      }
      guard position + 8 <= reader.count else { throw damaged("it ends before the storage \(key)", reader) }
      let count = Int64(bitPattern: LittleEndianBytes(try reader.bytes(position..<position + 8)).uint64(0))
      position += 8
      guard count == storage.count, storage.count * storage.type.size <= reader.count - position else {
        throw damaged("the storage \(key) has \(count) elements, not \(storage.count), or is cut off", reader)
      }
      places[key] = .file(position..<position + storage.count * storage.type.size)
      position += storage.count * storage.type.size
    }
    guard position == reader.count else { throw damaged("something stands behind its last storage", reader) }
    for storage in machine.heap.storages {
      guard case .file(let range) = places[storage.key],
        range.count >= storage.count * storage.type.size
      else { throw damaged("the storage \(storage.key) is missing or too short", reader) }
    }
    return Contents(root: root, machine: machine, source: source, places: places)
  }
}
