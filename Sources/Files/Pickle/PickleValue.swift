/// What a pickle may build. Containers are places in a ``PickleHeap``, so that values are small, cycles harmless
/// and the deepest nesting is freed without recursion.
package enum PickleValue {
  case none
  case bool(Bool)
  case integer(Int)
  /// A whole number of more than 64 bits: its bytes, little-endian.
  case long([UInt8])
  case float(Double)
  /// UTF-8 in the source; never copied, so that repeating it costs nothing.
  case text(Range<Int>)
  case bytes(Range<Int>)
  /// Bytes written as text in the source, each as the character of its number: what protocol 2 does to them.
  case latin1(Range<Int>)
  case global(PickleGlobal)
  /// A name of another package, by its place among the heap's names.
  case foreign(Int)
  /// An object that is no weight, by its class or function among the heap's names. Its contents are not kept.
  case opaque(Int)
  case sequence(Int)
  case dictionary(Int)
  case storage(Int)
  case tensor(Int)
  case array(Int)
  case elementType(Int)
}

/// The functions and classes of weights and plain containers. Each is a case of the machine; nothing is looked up or
/// called.
package enum PickleGlobal: Hashable {
  case orderedDictionary, defaultDictionary, namespace, size, reconstruct
  /// `_rebuild_tensor` of old files, and `_rebuild_tensor_v2` with metadata.
  case rebuildTensor
  /// `_rebuild_tensor_v3`: on an untyped storage, the type beside it.
  case rebuildTypedTensor
  /// Of a subclass of Tensor, or of a tensor with attributes: (function, class, its arguments, attributes).
  case rebuildFromType
  case rebuildParameter
  /// Tensors pickled without torch.save, each with a file of torch.save inside.
  case loadFromBytes
  case storage(ElementType)
  case reconstructArray, arrayOfBuffer, array, elementType, encode

  private static let names: [String: PickleGlobal] = {
    var names: [String: PickleGlobal] = [
      "collections.OrderedDict": .orderedDictionary,
      "collections.defaultdict": .defaultDictionary,
      "argparse.Namespace": .namespace,
      "copyreg._reconstructor": .reconstruct,
      "copy_reg._reconstructor": .reconstruct,
      "torch.Size": .size,
      "torch._utils._rebuild_tensor": .rebuildTensor,
      "torch._utils._rebuild_tensor_v2": .rebuildTensor,
      "torch._utils._rebuild_tensor_v3": .rebuildTypedTensor,
      "torch._tensor._rebuild_from_type_v2": .rebuildFromType,
      "torch._utils._rebuild_parameter": .rebuildParameter,
      "torch._utils._rebuild_parameter_with_state": .rebuildParameter,
      "torch.storage._load_from_bytes": .loadFromBytes,
      "torch.storage.UntypedStorage": .storage(.uint8),
      "numpy.core.multiarray._reconstruct": .reconstructArray,
      "numpy._core.multiarray._reconstruct": .reconstructArray,
      "numpy.core.numeric._frombuffer": .arrayOfBuffer,
      "numpy._core.numeric._frombuffer": .arrayOfBuffer,
      "numpy.ndarray": .array,
      "numpy.dtype": .elementType,
      "_codecs.encode": .encode,
    ]
    for type in ElementType.allCases where type.storageName != "UntypedStorage" {
      names["torch.\(type.storageName)"] = .storage(type)
    }
    return names
  }()

  package init?(module: String, name: String) {
    guard let global = Self.names["\(module).\(name)"] else { return nil }
    self = global
  }
}

/// Bytes that tensors share.
package struct PickleStorage: Equatable {
  package let key: String
  package let type: ElementType
  /// Elements.
  package let count: Int
}

/// A view of a storage, within its bounds.
package struct PickleTensor {
  package let storage: PickleStorage
  package let type: ElementType
  package let layout: StridedLayout
  /// PyTorch's negative bit: each number stands for its opposite.
  package var isNegated = false
}

/// A numpy array.
package struct PickleArray {
  /// Nil if it is of a type that is not read: ``unread``.
  package var type: ElementType?
  /// Its name with that of the type: text, objects, times, big-endian numbers.
  package var unread: String?
  package var shape: [Int] = []
  /// Columns first.
  package var isFortran = false
  package var data = PickleValue.none
}

/// Everything a pickle has built.
package final class PickleHeap {
  package struct Dictionary {
    package var items: [(key: PickleValue, value: PickleValue)] = []
    /// Whether its attributes are its items, as those of a Namespace are.
    package let isNamespace: Bool
    /// The dictionary of its attributes, where it has such beside its items: those of an OrderedDict.
    package var attributes: Int?
  }

  package struct NumpyType {
    package let name: String
    package var isBigEndian = false
  }

  package var sequences: [[PickleValue]] = []
  package var dictionaries: [Dictionary] = []
  package var storages: [PickleStorage] = []
  package var tensors: [PickleTensor] = []
  package var arrays: [PickleArray] = []
  package var numpyTypes: [NumpyType] = []
  /// Each name once.
  package private(set) var foreign: [PickleForeign] = []
  private var foreignPlaces: [PickleForeign: Int] = [:]
  /// Bytes of their names together.
  package private(set) var foreignBytes = 0

  package var objectCount: Int {
    sequences.count + dictionaries.count + storages.count + tensors.count + arrays.count + numpyTypes.count
      + foreign.count
  }

  /// The place of a name, which is kept once.
  package func place(of name: PickleForeign) -> Int {
    if let place = foreignPlaces[name] { return place }
    foreign.append(name)
    foreignPlaces[name] = foreign.count - 1
    foreignBytes += name.module.utf8.count + name.name.utf8.count
    return foreign.count - 1
  }
}
