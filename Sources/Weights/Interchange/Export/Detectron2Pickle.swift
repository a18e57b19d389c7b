import Files
import Torch

/// `pickle.dump({"model": {name: array}, "__author__": …, "matching_heuristics": …})`, of protocol 3: the first
/// in which bytes are bytes and not half again as much text.
/// - Parameter matchesByEnding: whether detectron2 looks for a tensor by the end of its name, as a backbone needs. A
///   detector's names are whole.
func writeArrays(
  _ tensors: [(name: String, tensor: Tensor)], matchesByEnding: Bool = true, path: String,
  with writer: FileWriter
) throws {
  var pickle = PickleWriter(version: 3)
  pickle.emptyDictionary()
  pickle.mark()
  pickle.write("model")
  pickle.emptyDictionary()
  pickle.mark()
  for (name, tensor) in tensors {
    // numpy has no bfloat16.
    let tensor = tensor.dtype == .bfloat16 ? try withTorchErrors { tensor.to(.float32) } : tensor
    let type = ElementType(tensor.dtype)
    guard let numpyName = type.numpyName, let size = UInt32(exactly: tensor.count * type.size) else {
      throw InterchangeError(
        path: path,
        problem: .unsupported(
          "\(name) is larger than 4 GB, which is not written. Export --format safetensors."))
    }
    pickle.write(name)
    pickle.global("numpy.core.multiarray", "_reconstruct")
    pickle.mark()
    pickle.global("numpy", "ndarray")
    pickle.write([0])
    pickle.bytesHeader(1)
    pickle.raw(UInt8(ascii: "b"))
    pickle.tuple()
    pickle.call()
    pickle.mark()
    pickle.write(1)  // version
    pickle.write(tensor.shape)
    pickle.numpyType(numpyName, isWide: type.size > 1)
    pickle.write(false)  // columns first
    pickle.bytesHeader(size)
    try writer.write(pickle.take())
    try withTorchErrors { try tensor.withUnsafeBytes { try writer.write($0) } }
    pickle.tuple()
    pickle.build()
  }
  pickle.setItems()
  pickle.write("__author__")
  pickle.write("swift-moco")
  pickle.write("matching_heuristics")
  pickle.write(matchesByEnding)
  pickle.setItems()
  pickle.end()
  try writer.write(pickle.take())
}

extension PickleWriter {
  /// `numpy.dtype(name, False, True)` and its state.
  fileprivate mutating func numpyType(_ name: String, isWide: Bool) {
    global("numpy", "dtype")
    mark()
    write(name)
    write(false)
    write(true)
    tuple()
    call()
    mark()
    write(3)
    write(isWide ? "<" : "|")
    for _ in 0..<3 { none() }
    write(-1)
    write(-1)
    write(0)
    tuple()
    build()
  }
}
