/// The calls that weights need, each checked before anything is made of it.
extension PickleMachine {
  package mutating func call(_ function: PickleValue, _ arguments: PickleValue) throws {
    guard case .sequence(let place) = arguments else { throw failure("a call without a list of values") }
    switch function {
    case .global(let global): try call(global, heap.sequences[place])
    case .foreign(let name):
      guard heap.foreign[name].trust == .built else { throw forbidden(heap.foreign[name].description) }
      try push(.opaque(name))
    default: throw failure("a call of no function")
    }
  }

  /// NEWOBJ and its like: an object of a class, which Python makes without calling it. Its values are not kept.
  package mutating func make(_ class: PickleValue) throws {
    switch `class` {
    case .global(.orderedDictionary), .global(.defaultDictionary): try pushDictionary()
    case .global(.namespace): try pushDictionary(isNamespace: true)
    case .foreign(let name): try push(.opaque(name))
    default: throw failure("an object of no class")
    }
  }

  private mutating func call(_ global: PickleGlobal, _ arguments: [PickleValue]) throws {
    switch global {
    case .orderedDictionary: try pushDictionary(ofPairs: arguments)
    case .defaultDictionary: try pushDictionary()
    case .namespace:
      guard arguments.isEmpty else { throw failure("a namespace made of values") }
      try pushDictionary(isNamespace: true)
    case .reconstruct:
      guard let first = arguments.first else { throw failure("an object of no class") }
      try make(first)
    case .size:
      guard arguments.count == 1, case .sequence = arguments[0] else { throw failure("a size of no list") }
      try push(arguments[0])
    case .rebuildTensor, .rebuildTypedTensor:
      try pushTensor(arguments, isTyped: global == .rebuildTypedTensor)
    case .rebuildFromType:
      guard arguments.count >= 3, !isCall(of: .rebuildFromType, arguments[0]) else {
        throw failure("a tensor of no class")
      }
      try call(arguments[0], arguments[2])
    case .rebuildParameter:
      switch arguments.first {
      case .tensor, .opaque: try push(arguments[0])
      default: throw failure("a parameter without a tensor")
      }
    case .loadFromBytes:
      throw InterchangeError(
        path: source.path,
        problem: .unsupported("its tensors were pickled by pickle.dump. Save its state_dict with torch.save.")
      )
    case .reconstructArray:
      guard case .global(.array) = arguments.first else { throw failure("an array of another class") }
      try makeRoom()
      heap.arrays.append(PickleArray())
      try push(.array(heap.arrays.count - 1))
    case .arrayOfBuffer:
      // Of protocol 5: (data, type, shape, "C" or "F")
      guard arguments.count == 4, case let order = try text(arguments[3]), ["C", "F"].contains(order) else {
        throw failure("an array whose buffer is not numpy's")
      }
      let array = try array(arguments[2], arguments[1], isFortran: order == "F", arguments[0])
      try makeRoom()
      heap.arrays.append(array)
      try push(.array(heap.arrays.count - 1))
    case .elementType:
      guard let first = arguments.first, case let name = try text(first), name.utf8.count <= 32 else {
        throw failure("an element type without a name")
      }
      try makeRoom()
      heap.numpyTypes.append(.init(name: name))
      try push(.elementType(heap.numpyTypes.count - 1))
    case .encode:
      guard arguments.count == 2, case .text(let range) = arguments[0],
        ["latin1", "latin-1"].contains(try text(arguments[1]))
      else { throw failure("an encoding other than latin1") }
      try push(.latin1(range))
    case .storage, .array: throw failure("a call of a class")
    }
  }

  private func isCall(of global: PickleGlobal, _ value: PickleValue) -> Bool {
    if case .global(global) = value { true } else { false }
  }

  /// Python 2 hands an OrderedDict its items as a list of pairs.
  private mutating func pushDictionary(ofPairs arguments: [PickleValue]) throws {
    try pushDictionary()
    guard let first = arguments.first else { return }
    guard arguments.count == 1, case .sequence(let list) = first, case .dictionary(let index) = stack.last
    else {
      throw failure("a dictionary made of values")
    }
    for pair in heap.sequences[list] {
      guard case .sequence(let place) = pair, heap.sequences[place].count == 2 else {
        throw failure("a dictionary made of values")
      }
      try set(heap.sequences[place], in: index)
    }
  }

  /// BUILD: the state of the value on top.
  package mutating func setState(_ state: PickleValue, of target: PickleValue) throws {
    switch target {
    case .dictionary(let index):
      // Attributes of an OrderedDict, such as a state_dict's _metadata, are no weights.
      guard case .dictionary(let other) = state else { return }
      guard heap.dictionaries[index].isNamespace else {
        heap.dictionaries[index].attributes = other
        return
      }
      try set(heap.dictionaries[other].items.flatMap { [$0.key, $0.value] }, in: index)
    case .elementType(let index):
      guard case .sequence(let place) = state, heap.sequences[place].count > 1 else {
        throw failure("an element type without a byte order")
      }
      heap.numpyTypes[index].isBigEndian = try text(heap.sequences[place][1]) == ">"
    case .array(let index): heap.arrays[index] = try array(state)
    case .opaque: break
    default: throw failure("a state of something that has none")
    }
  }

  /// (version, shape, type, columns first, data)
  private func array(_ state: PickleValue) throws -> PickleArray {
    guard case .sequence(let place) = state, case let parts = heap.sequences[place], parts.count == 5,
      case .bool(let isFortran) = parts[3]
    else { throw failure("an array whose state is not numpy's") }
    return try array(parts[1], parts[2], isFortran: isFortran, parts[4])
  }

  private func array(_ shape: PickleValue, _ type: PickleValue, isFortran: Bool, _ data: PickleValue) throws
    -> PickleArray
  {
    let name: String
    switch type {
    case .elementType(let index):
      let numpy = heap.numpyTypes[index]
      name = (numpy.isBigEndian ? ">" : "") + numpy.name
    case .opaque(let index): name = String(heap.foreign[index].name.prefix(32))
    default: throw failure("an array without a type")
    }
    guard let type = ElementType.allCases.first(where: { $0.numpyName == name }) else {
      return PickleArray(unread: "numpy.ndarray of \(name)")
    }
    let shape = try integers(shape)
    guard StridedLayout(shape: shape) != nil else { throw failure("an array of the shape \(shape)") }
    switch data {
    case .bytes, .latin1, .text: break
    default: throw failure("an array without data")
    }
    return PickleArray(type: type, shape: shape, isFortran: isFortran, data: data)
  }

  /// BINPERSID: ("storage", its class, key, device, elements), and in old files a view of another storage; old files
  /// also have ("module", a class, …).
  package mutating func pushStorage(_ identity: PickleValue) throws {
    guard case .sequence(let place) = identity, case let parts = heap.sequences[place], parts.count >= 2
    else {
      throw failure("a reference that is no storage")
    }
    if try text(parts[0]) == "module" { return try push(parts[1]) }
    guard try text(parts[0]) == "storage", parts.count >= 5 else {
      throw failure("a reference that is no storage")
    }
    // Of quantised numbers.
    if case .foreign(let name) = parts[1] { return try push(.opaque(name)) }
    guard case .global(.storage(let type)) = parts[1], case .integer(let count) = parts[4], count >= 0,
      count <= Int.max / 16
    else { throw failure("a reference that is no storage") }
    if parts.count > 5 {
      guard case .none = parts[5] else { throw failure("a storage that is a view of another") }
    }
    let key = try text(parts[2])
    guard key.utf8.count <= 128 else { throw failure("a storage with a name of \(key.utf8.count) bytes") }
    try makeRoom()
    heap.storages.append(PickleStorage(key: key, type: type, count: count))
    try push(.storage(heap.storages.count - 1))
  }

  /// (storage, offset, shape, strides, takes a gradient, hooks, [type,] metadata)
  private mutating func pushTensor(_ arguments: [PickleValue], isTyped: Bool) throws {
    guard arguments.count >= 4 else { throw failure("a tensor without a storage") }
    if case .opaque(let name) = arguments[0] { return try push(.opaque(name)) }
    guard case .storage(let place) = arguments[0], case .integer(let offset) = arguments[1] else {
      throw failure("a tensor without a storage")
    }
    let storage = heap.storages[place]
    var type = storage.type
    if isTyped {
      guard arguments.count >= 7, storage.type == .uint8, case .foreign(let name) = arguments[6] else {
        throw failure("a tensor without a type")
      }
      guard let found = ElementType.allCases.first(where: { $0.torchName == heap.foreign[name].name }) else {
        return try push(.opaque(name))
      }
      type = found
    }
    let (shape, strides) = (try integers(arguments[2]), try integers(arguments[3]))
    guard let layout = StridedLayout(shape: shape, strides: strides, offset: offset) else {
      throw failure("a tensor of the shape \(shape), strides \(strides) and offset \(offset)")
    }
    let count = isTyped ? storage.count / type.size : storage.count
    guard layout.extent <= count, offset <= count - layout.extent else {
      throw failure("a tensor that reaches to element \(offset + layout.extent) of a storage of \(count)")
    }
    let metadata = arguments.dropFirst(isTyped ? 7 : 6).first
    try makeRoom()
    heap.tensors.append(
      PickleTensor(storage: storage, type: type, layout: layout, isNegated: try isNegated(metadata)))
    try push(.tensor(heap.tensors.count - 1))
  }

  /// Reads the bits that PyTorch keeps in place of a computation: `{"neg": True}`.
  private func isNegated(_ metadata: PickleValue?) throws -> Bool {
    guard case .dictionary(let place) = metadata else { return false }
    var isNegated = false
    for (key, value) in heap.dictionaries[place].items {
      guard case .bool(let flag) = value else { throw failure("a tensor with metadata that is not read") }
      switch try text(key) {
      case "neg": isNegated = flag
      case let other: if flag { throw failure("a tensor with the bit \(other)") }
      }
    }
    return isNegated
  }

  private func integers(_ value: PickleValue) throws -> [Int] {
    guard case .sequence(let place) = value, heap.sequences[place].count <= StridedLayout.rankLimit else {
      throw failure("no list of sizes")
    }
    return try heap.sequences[place].map {
      guard case .integer(let number) = $0 else { throw failure("a size that is no whole number") }
      return number
    }
  }
}
