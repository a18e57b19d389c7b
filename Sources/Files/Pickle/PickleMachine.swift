/// Reads a pickle of protocol 2 to 5 as far as weights need it, and runs nothing.
///
/// A pickle is a program for a stack machine; in Python it may call anything. This machine knows the calls that
/// build tensors and plain containers (``PickleGlobal``) as cases of its own. Other objects are passed over unread, and
/// what would run code in Python is refused by name (``PickleTrust``).
/// Strings and bytes stay in the source. What is built is bounded in number, so the memory does not depend on what
/// the program does.
package struct PickleMachine {
  package struct Limits {
    /// Values on the stack, marks, remembered values, containers and tensors: each at most so many.
    package var objects = 200_000
    /// Values in all containers together.
    package var elements = 500_000
    /// Bytes of a key, a storage's name and the like.
    package var text = 1024
    /// Bytes of the names of other packages' classes and functions together.
    package var foreign = 1 << 20

    package init() {}
  }

  package let source: PickleSource
  package let limits: Limits
  package let heap = PickleHeap()
  /// The next byte.
  package private(set) var position: Int
  package var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var elements = 0
  /// The operation that is being carried out.
  private var start = 0

  package init(_ source: PickleSource, at position: Int = 0, limits: Limits = Limits()) {
    self.source = source
    self.position = position
    self.limits = limits
  }

  package func failure(_ what: String) -> InterchangeError {
    InterchangeError(path: source.path, problem: .pickle(what, byte: start))
  }

  package func overLimit(_ what: String) -> InterchangeError {
    InterchangeError(path: source.path, problem: .overLimit(what))
  }
}

// MARK: - Reading

extension PickleMachine {
  private mutating func take(_ count: Int) throws -> Range<Int> {
    guard count >= 0, count <= source.count - position else { throw failure("a value that ends too late") }
    position += count
    return position - count..<position
  }

  private mutating func takeByte() throws -> UInt8 {
    guard position < source.count else { throw failure("no end") }
    position += 1
    return try source.byte(position - 1)
  }

  /// A whole number of up to 8 bytes without a sign.
  private mutating func takeCount(_ bytes: Int) throws -> Int {
    var value: UInt64 = 0
    for index in 0..<bytes { value |= UInt64(try takeByte()) << UInt64(8 * index) }
    guard value <= UInt64(Int.max) else { throw failure("a length above 2^63") }
    return Int(value)
  }

  private mutating func takeLong(_ count: Int) throws -> PickleValue {
    guard count <= 64 else { throw failure("a number of \(count) bytes") }
    let bytes = try source.bytes(try take(count))
    guard bytes.count <= 8 else { return .long(bytes) }
    var value = Int64(bytes.last.map { $0 >= 0x80 ? -1 : 0 } ?? 0)
    for byte in bytes.reversed() { value = value << 8 | Int64(byte) }
    return .integer(Int(value))
  }

  /// Up to the end of the line, which goes.
  private mutating func takeLine() throws -> String {
    let first = position
    while try takeByte() != UInt8(ascii: "\n") {
      guard position - first <= limits.text else { throw failure("a name that is too long") }
    }
    return try text(first..<position - 1)
  }

  package func text(_ range: Range<Int>) throws -> String {
    guard range.count <= limits.text else { throw overLimit("a name of \(range.count) bytes") }
    guard let text = String(validating: try source.bytes(range), as: UTF8.self) else {
      throw failure("text that is not UTF-8")
    }
    return text
  }

  package func text(_ value: PickleValue) throws -> String {
    guard case .text(let range) = value else { throw failure("something else where text belongs") }
    return try text(range)
  }
}

// MARK: - Stack

extension PickleMachine {
  package mutating func push(_ value: PickleValue) throws {
    guard stack.count < limits.objects else { throw overLimit("more than \(limits.objects) values at once") }
    stack.append(value)
  }

  /// Never past the last mark.
  private mutating func pop() throws -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else { throw failure("an empty stack") }
    return value
  }

  private mutating func popToMark() throws -> [PickleValue] {
    guard let mark = marks.popLast() else { throw failure("no mark") }
    let values = Array(stack[mark...])
    stack.removeLast(values.count)
    return values
  }

  private mutating func pop(_ count: Int) throws -> [PickleValue] {
    var values: [PickleValue] = []
    for _ in 0..<count { values.append(try pop()) }
    return values.reversed()
  }

  private var top: PickleValue? { stack.count > marks.last ?? 0 ? stack.last : nil }

  package func makeRoom() throws {
    guard heap.objectCount < limits.objects else { throw overLimit("more than \(limits.objects) objects") }
  }

  private mutating func count(_ more: Int) throws {
    elements += more
    guard elements <= limits.elements else { throw overLimit("more than \(limits.elements) values") }
  }

  package mutating func pushSequence(_ values: [PickleValue]) throws {
    try makeRoom()
    try count(values.count)
    heap.sequences.append(values)
    try push(.sequence(heap.sequences.count - 1))
  }

  package mutating func pushDictionary(isNamespace: Bool = false) throws {
    try makeRoom()
    heap.dictionaries.append(.init(isNamespace: isNamespace))
    try push(.dictionary(heap.dictionaries.count - 1))
  }

  private mutating func append(_ values: [PickleValue]) throws {
    switch top {
    case .sequence(let index):
      try count(values.count)
      heap.sequences[index] += values
    case .opaque: break
    default: throw failure("values for no list")
    }
  }

  package mutating func set(_ values: [PickleValue], in index: Int) throws {
    guard values.count.isMultiple(of: 2) else { throw failure("a key without a value") }
    try count(values.count)
    for place in stride(from: 0, to: values.count, by: 2) {
      heap.dictionaries[index].items.append((values[place], values[place + 1]))
    }
  }

  private mutating func set(_ values: [PickleValue]) throws {
    switch top {
    case .dictionary(let index): try set(values, in: index)
    case .opaque: break
    default: throw failure("values for no dictionary")
    }
  }

  /// A `set`, whose values are not kept.
  private mutating func pushSet() throws { try push(.opaque(try foreign("builtins", "set"))) }

  private mutating func remember(_ place: Int) throws {
    guard let top else { throw failure("nothing to remember") }
    memo[place] = top
    guard memo.count <= limits.objects else { throw overLimit("more than \(limits.objects) values kept") }
  }

  private mutating func recall(_ place: Int) throws {
    guard let value = memo[place] else { throw failure("something that was not kept") }
    try push(value)
  }
}

// MARK: - Running

extension PickleMachine {
  /// Reads one pickle to its end; ``position`` stands behind it.
  package mutating func run() throws -> PickleValue {
    start = position
    guard try takeByte() == 0x80, (2...5).contains(try takeByte()) else {
      throw failure("no protocol from 2 to 5")
    }
    while true {
      start = position
      let code = try takeByte()
      if code == UInt8(ascii: ".") {
        let value = try pop()
        guard stack.isEmpty, marks.isEmpty else { throw failure("an end with values left over") }
        return value
      }
      guard try runConstant(code) || runContainer(code) || runMemo(code) || runCall(code) else {
        throw failure("the operation 0x\(String(code, radix: 16))")
      }
    }
  }

  private mutating func runConstant(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "N"): try push(.none)
    case 0x88: try push(.bool(true))
    case 0x89: try push(.bool(false))
    case UInt8(ascii: "K"): try push(.integer(try takeCount(1)))
    case UInt8(ascii: "M"): try push(.integer(try takeCount(2)))
    case UInt8(ascii: "J"): try push(.integer(Int(Int32(truncatingIfNeeded: try takeCount(4)))))
    case 0x8A: try push(try takeLong(try takeCount(1)))
    case 0x8B: try push(try takeLong(try takeCount(4)))
    case UInt8(ascii: "G"):
      var bits: UInt64 = 0
      for _ in 0..<8 { bits = bits << 8 | UInt64(try takeByte()) }
      try push(.float(Double(bitPattern: bits)))
    case UInt8(ascii: "X"): try push(.text(try take(try takeCount(4))))
    case 0x8C: try push(.text(try take(try takeCount(1))))
    case 0x8D: try push(.text(try take(try takeCount(8))))
    // Text of Python 2.
    case UInt8(ascii: "U"): try push(.text(try take(try takeCount(1))))
    case UInt8(ascii: "T"): try push(.text(try take(try takeCount(4))))
    case UInt8(ascii: "C"): try push(.bytes(try take(try takeCount(1))))
    case UInt8(ascii: "B"): try push(.bytes(try take(try takeCount(4))))
    case 0x8E, 0x96: try push(.bytes(try take(try takeCount(8))))
    default: return false
    }
    return true
  }

  private mutating func runContainer(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "]"), UInt8(ascii: ")"): try pushSequence([])
    case UInt8(ascii: "}"): try pushDictionary()
    case 0x85...0x87: try pushSequence(try pop(Int(code) - 0x84))
    case UInt8(ascii: "t"), UInt8(ascii: "l"): try pushSequence(try popToMark())
    case UInt8(ascii: "d"):
      let values = try popToMark()
      try pushDictionary()
      try set(values)
    case UInt8(ascii: "a"): try append([try pop()])
    case UInt8(ascii: "e"): try append(try popToMark())
    case UInt8(ascii: "s"): try set(try pop(2))
    case UInt8(ascii: "u"): try set(try popToMark())
    case 0x8F: try pushSet()
    case 0x90: try append(try popToMark())
    case 0x91:
      _ = try popToMark()
      try pushSet()
    default: return false
    }
    return true
  }

  private mutating func runMemo(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "q"): try remember(try takeCount(1))
    case UInt8(ascii: "r"): try remember(try takeCount(4))
    case 0x94: try remember(memo.count)
    case UInt8(ascii: "h"): try recall(try takeCount(1))
    case UInt8(ascii: "j"): try recall(try takeCount(4))
    case UInt8(ascii: "("):
      guard marks.count < limits.objects else { throw overLimit("more than \(limits.objects) marks") }
      marks.append(stack.count)
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popToMark()
    case 0x95: _ = try takeCount(8)  // a frame's length, of use to who reads ahead
    default: return false
    }
    return true
  }

  private mutating func runCall(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "c"):
      let module = try takeLine()
      try pushGlobal(module, try takeLine())
    case 0x93:
      let names = try pop(2)
      try pushGlobal(try text(names[0]), try text(names[1]))
    case UInt8(ascii: "R"):
      let values = try pop(2)
      try call(values[0], values[1])
    case 0x81: try make(try pop(2)[0])
    case 0x92: try make(try pop(3)[0])
    case UInt8(ascii: "b"):
      let state = try pop()
      guard let top else { throw failure("a state of nothing") }
      try setState(state, of: top)
    case UInt8(ascii: "Q"): try pushStorage(try pop())
    default: return false
    }
    return true
  }

  private mutating func pushGlobal(_ module: String, _ name: String) throws {
    if let global = PickleGlobal(module: module, name: name) { return try push(.global(global)) }
    try push(.foreign(try foreign(module, name)))
  }

  package func forbidden(_ name: String) -> InterchangeError {
    InterchangeError(path: source.path, problem: .forbidden(global: name, byte: start))
  }

  /// The place of a name of another package.
  package func foreign(_ module: String, _ name: String) throws -> Int {
    let foreign = PickleForeign(module: module, name: name, trust: PickleTrust(module: module, name: name))
    guard foreign.trust != .refused else { throw forbidden(foreign.description) }
    try makeRoom()
    let place = heap.place(of: foreign)
    guard heap.foreignBytes <= limits.foreign else {
      throw overLimit("more than \(limits.foreign) bytes of names of classes")
    }
    return place
  }
}
