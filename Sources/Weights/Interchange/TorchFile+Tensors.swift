import Files
import Torch

extension TorchFile {
  private func failure(_ what: String, _ name: String) -> InterchangeError {
    InterchangeError(path: reader.path, problem: .tensor(what, name: name))
  }

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
      try spend(max(layout.count, layout.extent) * tensor.type.size, entry.name)
      let read = try withBytes(of: tensor.storage, range(of: tensor), entry.name) {
        try self.tensor($0, tensor.type, layout, entry.name)
      }
      return tensor.isNegated ? try withTorchErrors { -read } : read
    case .array(let array): return try self.tensor(array, entry.name)
    }
  }

  /// Within its storage.
  private func range(of tensor: PickleTensor) -> Range<Int> {
    let first = tensor.layout.offset * tensor.type.size
    return first..<first + tensor.layout.extent * tensor.type.size
  }

  /// Hands a tensor's bytes to `body` as they stand in the file, block by block. False if they do not stand there row by
  /// row and in the type that they are read as.
  ///
  /// The checksum of an entry of a zip file is compared at the end: `body` has seen damaged bytes then.
  func forEachBlock(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
    guard case .tensor(let tensor) = entry.leaf, tensor.type.keepsBytes, tensor.type != .bool,
      tensor.layout.isContiguous, !tensor.isNegated
    else { return false }
    let range = range(of: tensor)
    switch (places[tensor.storage.key], archive) {
    case (.file(let whole), _):
      try spend(range.count, entry.name)
      try reader.forEachBlock(of: part(range, of: whole), body)
    case (.zip(let place), let archive?) where !place.isDeflated:
      try spend(range.count, entry.name)
      if range.count == place.count {
        try archive.forEachBlock(of: place, body)
      } else {
        try reader.forEachBlock(of: part(range, of: try archive.checkedRange(place)), body)
      }
    default: return false
    }
    return true
  }

  /// A range within a storage as one of the file.
  private func part(_ range: Range<Int>, of whole: Range<Int>) -> Range<Int> {
    whole.lowerBound + range.lowerBound..<whole.lowerBound + range.upperBound
  }

  private func withBytes<Result>(
    of storage: PickleStorage, _ range: Range<Int>, _ name: String,
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    switch (places[storage.key], archive) {
    case (.file(let whole), _): return try reader.withBytes(part(range, of: whole), body)
    case (.zip(let entry), let archive?) where !entry.isDeflated:
      return try reader.withBytes(part(range, of: try archive.checkedRange(entry)), body)
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
    do {
      return try Tensor.reading(bytes, as: type, layout)
    } catch let fault as ElementFault {
      switch fault {
      case .unread: throw failure("has the element type \(type.name), which is not read", name)
      case .invalidBool: throw failure("has a truth value that is neither 0 nor 1", name)
      case .tooLarge: throw failure("has a whole number above 2^63 - 1", name)
      }
    }
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
      try spend(wanted, name)
      bytes = try source.bytes(range)
    case .latin1(let range):
      // One or two bytes of text for each byte.
      guard wanted <= range.count, range.count / 2 <= wanted else {
        throw failure("has about \(range.count) bytes, not \(wanted)", name)
      }
      try spend(range.count, name)
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
