import Files
import Torch

/// A file of `torch.save`, in its zip format or the one before PyTorch 1.6, or a pickle of numpy arrays.
///
/// The pickle is read by a ``PickleMachine``, which runs nothing; tensors are read on demand.
final class TorchFile {
  struct Entry {
    let name: String
    let dtype: DType
    let shape: [Int]
    fileprivate let leaf: PickleFlattening.Leaf
  }

  /// Where a storage's bytes are.
  private enum Place {
    case file(Range<Int>)
    case zip(ZipArchive.Entry)
  }

  let entries: [Entry]
  private let reader: FileReader
  private let source: PickleSource
  private let archive: ZipArchive?
  private let places: [String: Place]
  /// Bytes that may yet be read or made: tensors may share theirs, so a small file could ask for any amount.
  private var budget: Int

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
    entries = try PickleFlattening(contents.root, of: contents.machine).leaves.map { name, leaf in
      switch leaf {
      case .tensor(let tensor):
        Entry(name: name, dtype: tensor.storage.type.dtype, shape: tensor.layout.shape, leaf: leaf)
      case .array(let array):
        Entry(name: name, dtype: (array.type ?? .uint8).dtype, shape: array.shape, leaf: leaf)
      }
    }
  }

  private func failure(_ what: String, _ name: String) -> InterchangeError {
    InterchangeError(path: reader.path, problem: .tensor(what, name: name))
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

// MARK: - Tensors

extension TorchFile {
  private func spend(_ bytes: Int, _ name: String) throws {
    guard bytes <= budget else {
      throw InterchangeError(
        path: reader.path,
        problem: .overLimit("its tensors, up to \(name), would be much larger than the file itself"))
    }
    budget -= bytes
  }

  /// Reads one tensor to the CPU.
  func tensor(_ entry: Entry) throws -> Tensor {
    switch entry.leaf {
    case .tensor(let tensor):
      let layout = tensor.layout
      let size = tensor.storage.type.size
      try spend(max(layout.count * tensor.storage.type.dtype.size, layout.extent * size), entry.name)
      let first = layout.offset * size
      return try withBytes(of: tensor.storage, first..<first + layout.extent * size, entry.name) {
        try self.tensor($0, tensor.storage.type, layout, entry.name)
      }
    case .array(let array): return try self.tensor(array, entry.name)
    }
  }

  private func withBytes<Result>(
    of storage: PickleStorage, _ range: Range<Int>, _ name: String,
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    func part(of whole: Range<Int>) -> Range<Int> {
      whole.lowerBound + range.lowerBound..<whole.lowerBound + range.upperBound
    }
    switch (places[storage.key], archive) {
    case (.file(let whole), _): return try reader.withBytes(part(of: whole), body)
    case (.zip(let entry), let archive?) where !entry.isDeflated:
      return try reader.withBytes(part(of: try archive.checkedRange(entry)), body)
    case (.zip(let entry), let archive?):
      try spend(entry.count, name)
      return try archive.bytes(entry).withUnsafeBytes {
        try body(UnsafeRawBufferPointer(rebasing: $0[range]))
      }
    default: throw failure("has no storage", name)
    }
  }

  private func tensor(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ layout: StridedLayout, _ name: String
  ) throws -> Tensor {
    guard type != .bool || bytes.allSatisfy({ $0 <= 1 }) else {
      throw failure("has a truth value that is neither 0 nor 1", name)
    }
    return try withTorchErrors {
      guard type.size == type.dtype.size else { return widened(bytes, type, layout) }
      if layout.isContiguous {
        return Tensor(copying: bytes, dtype: type.dtype, shape: layout.shape)
      }
      if let order = layout.denseOrder {
        let dense = Tensor(copying: bytes, dtype: type.dtype, shape: order.map { layout.shape[$0] })
        let back = order.indices.map { axis in order.firstIndex(of: axis) ?? axis }
        return dense.permuted(back).contiguous()
      }
      var gathered: [UInt8] = []
      gathered.reserveCapacity(layout.count * type.size)
      layout.forEachElement { gathered += bytes[$0 * type.size..<($0 + 1) * type.size] }
      return gathered.withUnsafeBytes { Tensor(copying: $0, dtype: type.dtype, shape: layout.shape) }
    }
  }

  /// Small whole numbers as int64.
  private func widened(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ layout: StridedLayout)
    -> Tensor
  {
    var values: [Int64] = []
    values.reserveCapacity(layout.count)
    layout.forEachElement { index in
      switch type {
      case .int32: values.append(Int64(bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self)))
      case .int16: values.append(Int64(bytes.loadUnaligned(fromByteOffset: index * 2, as: Int16.self)))
      default: values.append(Int64(bytes.loadUnaligned(fromByteOffset: index, as: Int8.self)))
      }
    }
    return Tensor(values, shape: layout.shape)
  }

  private func tensor(_ array: PickleArray, _ name: String) throws -> Tensor {
    let shape: [Int] = array.isFortran ? array.shape.reversed() : array.shape
    guard let type = array.type, let layout = StridedLayout(shape: shape) else {
      throw failure("is an array without a type", name)
    }
    let wanted = layout.count * type.size
    let bytes: [UInt8]
    switch array.data {
    case .bytes(let range), .text(let range):
      guard range.count == wanted else { throw failure("has \(range.count) bytes, not \(wanted)", name) }
      try spend(max(wanted, layout.count * type.dtype.size), name)
      bytes = try source.bytes(range)
    case .latin1(let range):
      // One or two bytes of text for each byte.
      guard wanted <= range.count, range.count / 2 <= wanted else {
        throw failure("has about \(range.count) bytes, not \(wanted)", name)
      }
      try spend(max(range.count, layout.count * type.dtype.size), name)
      bytes = try latin1(range, count: wanted, name)
    default: throw failure("has no data", name)
    }
    let tensor = try bytes.withUnsafeBytes { try self.tensor($0, type, layout, name) }
    guard array.isFortran else { return tensor }
    return try withTorchErrors { tensor.permuted(Array(shape.indices.reversed())).contiguous() }
  }

  private func latin1(_ range: Range<Int>, count: Int, _ name: String) throws -> [UInt8] {
    guard let bytes = try source.latin1(range) else {
      throw failure("is text that stands for no bytes", name)
    }
    guard bytes.count == count else {
      throw failure("has \(bytes.count) bytes, not \(count)", name)
    }
    return bytes
  }
}

extension StridedLayout {
  /// The places of the elements behind the first, row by row.
  func forEachElement(_ body: (Int) -> Void) {
    guard count > 0 else { return }
    var index = [Int](repeating: 0, count: shape.count)
    var place = 0
    for _ in 0..<count {
      body(place)
      var axis = shape.count - 1
      while axis >= 0 {
        index[axis] += 1
        place += strides[axis]
        if index[axis] < shape[axis] { break }
        place -= shape[axis] * strides[axis]
        index[axis] = 0
        axis -= 1
      }
    }
  }
}
