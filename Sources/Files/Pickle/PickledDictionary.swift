/// A dictionary in a pickle by its names, with lists of numbers and texts and numpy arrays as values: the form of
/// CIFAR's python version. Nothing in it is run; see ``PickleMachine``.
package struct PickledDictionary {
  private let machine: PickleMachine
  private let source: PickleSource
  /// Nil where the bytes are in memory.
  private let reader: FileReader?
  private var values: [String: PickleValue] = [:]

  /// - Throws: ``InterchangeError``, ``FileError``.
  package init(_ reader: FileReader, limits: PickleMachine.Limits = .init()) throws {
    try self.init(PickleSource(reader, 0..<reader.count), reader, limits)
  }

  /// - Parameter path: For errors.
  package init(_ bytes: [UInt8], path: String, limits: PickleMachine.Limits = .init()) throws {
    try self.init(PickleSource(bytes, path: path), nil, limits)
  }

  private init(_ source: PickleSource, _ reader: FileReader?, _ limits: PickleMachine.Limits) throws {
    var machine = PickleMachine(source, limits: limits)
    let root = try machine.run()
    (self.machine, self.source, self.reader) = (machine, source, reader)
    guard case .dictionary(let place) = root else {
      throw InterchangeError(path: source.path, problem: .unsupported("its pickle is no dictionary"))
    }
    for (key, value) in machine.heap.dictionaries[place].items {
      if let key = try text(key) { values[key] = value }
    }
  }

  package var names: [String] { values.keys.sorted() }

  /// Text, or bytes of text; nil for other values.
  private func text(_ value: PickleValue) throws -> String? {
    switch value {
    case .text(let range), .bytes(let range), .latin1(let range):
      guard range.count <= machine.limits.text else { return nil }
      return String(validating: try source.bytes(range), as: UTF8.self)
    default: return nil
    }
  }

  /// A list of texts; nil where there is none of this name.
  package func texts(_ name: String) throws -> [String]? {
    guard case .sequence(let place) = values[name] else { return nil }
    var texts: [String] = []
    for value in machine.heap.sequences[place] {
      guard let text = try text(value) else { return nil }
      texts.append(text)
    }
    return texts
  }

  /// A list or an array of whole numbers; nil where there is none of this name.
  package func numbers(_ name: String) throws -> [Int]? {
    switch values[name] {
    case .sequence(let place):
      var numbers: [Int] = []
      for value in machine.heap.sequences[place] {
        guard case .integer(let number) = value else { return nil }
        numbers.append(number)
      }
      return numbers
    case .array: return try array(name)?.wholeNumbers()
    default: return nil
    }
  }

  /// An array: its place in the file where it stands there as it is, else its bytes. Nil where there is none of this
  /// name.
  package func array(_ name: String) throws -> NumberArray? {
    guard case .array(let place) = values[name] else { return nil }
    let array = machine.heap.arrays[place]
    guard let numpyName = array.type?.numpyName, let type = NumberType(numpy: "<" + numpyName) else {
      throw failure("\(name) is an array without a type")
    }
    let count = try ArrayLimits.byteCount(array.shape, type, name: name, path: source.path)
    let storage: NumberArray.Storage
    switch array.data {
    case .bytes(let range), .text(let range):
      guard range.count == count else { throw failure("\(name) has \(range.count) bytes, not \(count)") }
      storage = try reader.map { .file($0, range.lowerBound) } ?? .memory(source.bytes(range))
    case .latin1(let range):
      guard count <= range.count, let bytes = try source.latin1(range), bytes.count == count else {
        throw failure("\(name) does not have \(count) bytes")
      }
      storage = .memory(bytes)
    default: throw failure("\(name) is an array without data")
    }
    return NumberArray(
      name: name, type: type, shape: array.shape, isColumnMajor: array.isFortran, storage: storage)
  }

  private func failure(_ what: String) -> InterchangeError {
    InterchangeError(path: source.path, problem: .damaged(what))
  }
}
