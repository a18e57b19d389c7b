/// The calls that weights need, each checked before anything is made of it.
extension PickleMachine {
  package mutating func call(_ function: PickleValue, _ arguments: PickleValue) throws {
    guard case .global(let global) = function, case .sequence(let place) = arguments else {
      throw failure("a call of no function")
    }
    let arguments = heap.sequences[place]
    switch global {
    case .orderedDictionary, .namespace:
      guard arguments.isEmpty else { throw failure("a dictionary made of values") }
      try pushDictionary(isNamespace: global == .namespace)
    case .size:
      guard arguments.count == 1, case .sequence = arguments[0] else { throw failure("a size of no list") }
      try push(arguments[0])
    case .rebuildTensor: try pushTensor(arguments)
    case .rebuildParameter:
      guard case .tensor = arguments.first else { throw failure("a parameter without a tensor") }
      try push(arguments[0])
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
      guard let name = arguments.first else { throw failure("an element type without a name") }
      try makeRoom()
      heap.numpyTypes.append(.init(name: try text(name)))
      try push(.elementType(heap.numpyTypes.count - 1))
    case .encode:
      guard arguments.count == 2, case .text(let range) = arguments[0],
        ["latin1", "latin-1"].contains(try text(arguments[1]))
      else { throw failure("an encoding other than latin1") }
      try push(.latin1(range))
    case .storage, .array: throw failure("a call of a class")
    }
  }

  /// BUILD: the state of the value on top.
  package mutating func setState(_ state: PickleValue, of target: PickleValue) throws {
    switch target {
    case .dictionary(let index):
      // Attributes of an OrderedDict, such as a state_dict's _metadata, say nothing of the weights.
      guard heap.dictionaries[index].isNamespace, case .dictionary(let other) = state else { return }
      try set(heap.dictionaries[other].items.flatMap { [$0.key, $0.value] }, in: index)
    case .elementType(let index):
      guard case .sequence(let place) = state, heap.sequences[place].count > 1 else {
        throw failure("an element type without a byte order")
      }
      heap.numpyTypes[index].isBigEndian = try text(heap.sequences[place][1]) == ">"
    case .array(let index): heap.arrays[index] = try array(state)
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
    guard case .elementType(let typeIndex) = type else { throw failure("an array without a type") }
    let numpy = heap.numpyTypes[typeIndex]
    guard let type = ElementType.allCases.first(where: { $0.numpyName == numpy.name }), !numpy.isBigEndian
    else { throw failure("an array of the type \(numpy.name)") }
    let shape = try integers(shape)
    guard StridedLayout(shape: shape) != nil else { throw failure("an array of the shape \(shape)") }
    switch data {
    case .bytes, .latin1, .text: break
    default: throw failure("an array without data")
    }
    return PickleArray(type: type, shape: shape, isFortran: isFortran, data: data)
  }

  /// BINPERSID: ("storage", its class, key, device, elements), and in old files a view of another storage.
  package mutating func pushStorage(_ identity: PickleValue) throws {
    guard case .sequence(let place) = identity, case let parts = heap.sequences[place], parts.count >= 5,
      try text(parts[0]) == "storage", case .global(.storage(let type)) = parts[1],
      case .integer(let count) = parts[4], count >= 0, count <= Int.max / 16
    else { throw failure("a reference that is no storage") }
    if parts.count > 5 {
      guard case .none = parts[5] else { throw failure("a storage that is a view of another") }
    }
    try makeRoom()
    heap.storages.append(PickleStorage(key: try text(parts[2]), type: type, count: count))
    try push(.storage(heap.storages.count - 1))
  }

  /// (storage, offset, shape, strides, …)
  private mutating func pushTensor(_ arguments: [PickleValue]) throws {
    guard arguments.count >= 4, case .storage(let place) = arguments[0],
      case .integer(let offset) = arguments[1]
    else { throw failure("a tensor without a storage") }
    let storage = heap.storages[place]
    let (shape, strides) = (try integers(arguments[2]), try integers(arguments[3]))
    guard let layout = StridedLayout(shape: shape, strides: strides, offset: offset) else {
      throw failure("a tensor of the shape \(shape), strides \(strides) and offset \(offset)")
    }
    guard layout.extent <= storage.count, offset <= storage.count - layout.extent else {
      throw failure(
        "a tensor that reaches to element \(offset + layout.extent) of a storage of \(storage.count)")
    }
    try makeRoom()
    heap.tensors.append(PickleTensor(storage: storage, layout: layout))
    try push(.tensor(heap.tensors.count - 1))
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
