/// Tensors by their path through dictionaries and lists, as `state_dict.module.conv1.weight`.
package struct PickleFlattening {
  package enum Leaf {
    case tensor(PickleTensor)
    case array(PickleArray)
  }

  package private(set) var leaves: [(name: String, leaf: Leaf)] = []
  /// Classes and functions of the objects that are no weights, and element types of arrays that are not read; each once,
  /// in the order they are met.
  package private(set) var unread: [String] = []
  /// The text values of the outermost dictionary, and of its attributes.
  package private(set) var texts: [String: String] = [:]

  private static let depthLimit = 32
  /// Containers may be shared, so that few of them have many paths.
  private static let visitLimit = 500_000
  private static let leafLimit = 65_536
  /// Bytes of all paths together.
  private static let pathLimit = 8 << 20
  private static let textLimit = 64

  /// A container on the way, and the next of its items.
  private struct Frame {
    package let path: String
    package let items: [(key: PickleValue?, value: PickleValue)]
    package var next = 0
  }

  private let machine: PickleMachine
  private var frames: [Frame] = []
  private var names: Set<String> = []
  private var unreadKinds: Set<String> = []
  private var pathBytes = 0
  private var visits = 0

  package init(_ root: PickleValue, of machine: PickleMachine) throws {
    self.machine = machine
    note(root)
    if case .dictionary(let place) = root, let attributes = machine.heap.dictionaries[place].attributes {
      for (key, value) in machine.heap.dictionaries[attributes].items { note(key, value) }
    }
    try visit(root, path: "")
    while let frame = frames.last {
      guard frame.next < frame.items.count else {
        frames.removeLast()
        continue
      }
      frames[frames.count - 1].next += 1
      let (key, value) = frame.items[frame.next]
      note(value)
      if let key { note(key) }
      if frames.count == 1 { note(key, value) }
      guard isContainerOrLeaf(value), let name = try name(of: key, index: frame.next) else { continue }
      try visit(value, path: frame.path.isEmpty ? name : "\(frame.path).\(name)")
    }
  }

  /// Remembers the kind of an object that is no weight.
  private mutating func note(_ value: PickleValue) {
    let kind: String?
    switch value {
    case .foreign(let place), .opaque(let place): kind = machine.heap.foreign[place].description
    case .array(let place): kind = machine.heap.arrays[place].unread
    default: kind = nil
    }
    if let kind, unreadKinds.insert(kind).inserted { unread.append(kind) }
  }

  private mutating func note(_ key: PickleValue?, _ value: PickleValue) {
    guard let key, case .text = key, case .text = value, texts.count < Self.textLimit else { return }
    // Text that is too long is no name.
    guard let name = try? machine.text(key), let text = try? machine.text(value) else { return }
    texts[name] = text
  }

  private func isContainerOrLeaf(_ value: PickleValue) -> Bool {
    switch value {
    case .tensor, .array, .sequence, .dictionary: true
    default: false
    }
  }

  /// Nil for a key that is neither text nor a number.
  private func name(of key: PickleValue?, index: Int) throws -> String? {
    switch key {
    case nil: "\(index)"
    case .text: try key.map(machine.text)
    case .integer(let number): "\(number)"
    default: nil
    }
  }

  private mutating func visit(_ value: PickleValue, path: String) throws {
    switch value {
    case .tensor(let place): try add(path, .tensor(machine.heap.tensors[place]))
    case .array(let place):
      let array = machine.heap.arrays[place]
      if array.unread == nil { try add(path, .array(array)) }
    case .sequence(let place):
      try count(machine.heap.sequences[place].count)
      try enter(path, machine.heap.sequences[place].map { (nil, $0) })
    case .dictionary(let place):
      try count(machine.heap.dictionaries[place].items.count)
      try enter(path, machine.heap.dictionaries[place].items.map { ($0.key, $0.value) })
    default: break
    }
  }

  /// Counts a container's items before they are copied.
  private mutating func count(_ items: Int) throws {
    visits += items
    guard visits <= Self.visitLimit else { throw machine.overLimit("more than \(Self.visitLimit) values") }
  }

  private mutating func enter(_ path: String, _ items: [(key: PickleValue?, value: PickleValue)]) throws {
    guard frames.count < Self.depthLimit else {
      throw machine.overLimit("containers nested deeper than \(Self.depthLimit)")
    }
    frames.append(Frame(path: path, items: items))
  }

  private mutating func add(_ path: String, _ leaf: Leaf) throws {
    pathBytes += path.utf8.count
    guard leaves.count < Self.leafLimit, pathBytes <= Self.pathLimit else {
      throw machine.overLimit("more than \(Self.leafLimit) tensors, or too long names")
    }
    guard names.insert(path).inserted else {
      throw InterchangeError(
        path: machine.source.path, problem: .tensor("stands twice in the file", name: path))
    }
    leaves.append((path, leaf))
  }
}
