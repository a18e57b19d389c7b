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
  case sequence(Int)
  case dictionary(Int)
  case storage(Int)
  case tensor(Int)
  case array(Int)
  case elementType(Int)
}

/// The functions and classes a pickle may name. Each is a case of the machine; nothing is looked up or called.
package enum PickleGlobal: Hashable {
  case orderedDictionary, namespace, size
  case rebuildTensor, rebuildParameter
  case storage(ElementType)
  case reconstructArray, arrayOfBuffer, array, elementType, encode

  private static let names: [String: PickleGlobal] = {
    var names: [String: PickleGlobal] = [
      "collections.OrderedDict": .orderedDictionary,
      "argparse.Namespace": .namespace,
      "torch.Size": .size,
      "torch._utils._rebuild_tensor_v2": .rebuildTensor,
      "torch._utils._rebuild_parameter": .rebuildParameter,
      "torch.storage.UntypedStorage": .storage(.uint8),
      "numpy.core.multiarray._reconstruct": .reconstructArray,
      "numpy._core.multiarray._reconstruct": .reconstructArray,
      "numpy.core.numeric._frombuffer": .arrayOfBuffer,
      "numpy._core.numeric._frombuffer": .arrayOfBuffer,
      "numpy.ndarray": .array,
      "numpy.dtype": .elementType,
      "_codecs.encode": .encode,
    ]
    for type in ElementType.allCases { names["torch.\(type.storageName)"] = .storage(type) }
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
  package let layout: StridedLayout
}

/// A numpy array.
package struct PickleArray {
  package var type: ElementType?
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

  package var objectCount: Int {
    sequences.count + dictionaries.count + storages.count + tensors.count + arrays.count + numpyTypes.count
  }
}
