import Files
import Torch

/// `torch.save(OrderedDict(…))`.
/// - Parameters:
///   - attributes: texts that the dictionary has as attributes, as PyTorch's own has its `_metadata`.
///   - key: the key of a dictionary around it; nil where there is none.
///   - numbers: other entries of the dictionary around it.
func writeStateDictionary(
  _ tensors: [(name: String, tensor: Tensor)], attributes: [String: String] = [:], under key: String? = nil,
  numbers: [(name: String, value: Int)] = [], path: String, with writer: FileWriter
) throws {
  precondition(key != nil || numbers.isEmpty, "\(numbers.count) numbers beside tensors without a key")
  var pickle = PickleWriter(version: 2)
  if let key {
    pickle.emptyDictionary()
    pickle.mark()
    pickle.write(key)
  }
  pickle.orderedDictionary()
  pickle.mark()
  for (index, (name, tensor)) in tensors.enumerated() {
    let shape = tensor.shape
    guard let layout = StridedLayout(shape: shape) else {
      preconditionFailure("\(name) has the shape \(shape)")
    }
    pickle.write(name)
    pickle.global("torch._utils", "_rebuild_tensor_v2")
    pickle.mark()
    pickle.mark()
    pickle.write("storage")
    pickle.global("torch", ElementType(tensor.dtype).storageName)
    pickle.write("\(index)")
    pickle.write("cpu")
    pickle.write(layout.count)
    pickle.tuple()
    pickle.persistentIdentity()
    pickle.write(0)  // offset
    pickle.write(shape)
    pickle.write(layout.strides)
    pickle.write(false)  // takes a gradient
    pickle.orderedDictionary()  // hooks
    pickle.tuple()
    pickle.call()
  }
  pickle.setItems()
  if !attributes.isEmpty {
    pickle.emptyDictionary()
    pickle.mark()
    for (name, text) in attributes.sorted(by: { $0.key < $1.key }) {
      pickle.write(name)
      pickle.write(text)
    }
    pickle.setItems()
    pickle.build()
  }
  for (name, value) in numbers {
    pickle.write(name)
    pickle.write(value)
  }
  if key != nil { pickle.setItems() }
  pickle.end()

  let folder = path.lastPathPart.split(separator: ".").first.map(String.init) ?? "archive"
  var zip = ZipWriter(writer, path: path)
  try zip.add("\(folder)/data.pkl", pickle.bytes)
  try zip.add("\(folder)/byteorder", Array("little".utf8))
  for (index, (_, tensor)) in tensors.enumerated() {
    try withTorchErrors {
      try tensor.withUnsafeBytes { try zip.add("\(folder)/data/\(index)", $0) }
    }
  }
  try zip.add("\(folder)/version", Array("3\n".utf8))
  try zip.finish()
}

extension PickleWriter {
  fileprivate mutating func orderedDictionary() {
    global("collections", "OrderedDict")
    emptyTuple()
    call()
  }
}
