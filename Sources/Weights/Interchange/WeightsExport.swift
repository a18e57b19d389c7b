import Files
import Foundation
import Models
import Torch

/// The formats of exported weights.
public enum ExportFormat: String, Codable, Sendable, CaseIterable {
  /// A state_dict as `torch.save` writes it and `torch.load(weights_only=True)` reads it.
  case torchvision
  /// The same: timm's ResNets have torchvision's names, and vision transformers have timm's here.
  case timm
  /// A pickle of numpy arrays with detectron2's names of the backbone, for its `MODEL.WEIGHTS`.
  case detectron2
  /// torchvision's names, or timm's of a vision transformer.
  case safetensors

  /// Refuses a network for which the format's program has no names.
  /// - Parameter path: of the network's checkpoint.
  /// - Throws: ``InterchangeError``.
  package func check(_ arch: Architecture, path: String) throws {
    guard arch.isTransformer, self == .torchvision || self == .detectron2 else { return }
    throw InterchangeError(
      path: path,
      problem: .unsupported(
        "a vision transformer goes out with timm's names only, not with \(rawValue)'s. Export --format timm or "
          + "safetensors."))
  }

  /// Writes tensors with torchvision's names to a file: whole or, on an error, not at all.
  /// - Throws: ``FileError``, ``InterchangeError``, or `TorchError` if a tensor cannot be brought to the CPU.
  public func write(_ tensors: [(name: String, tensor: Tensor)], to path: String) throws {
    switch self {
    case .safetensors: try Safetensors.write(tensors, metadata: ["format": "pt"], to: path)
    case .torchvision, .timm:
      try replaceFile(path) { try writeStateDictionary(tensors, path: path, with: $0) }
    case .detectron2:
      let backbone = tensors.filter { !$0.name.hasPrefix(Architecture.resnet50.headName + ".") }
        .map { (Detectron2Names.name(torchvision: $0.name), $0.tensor) }
      try replaceFile(path) { try writeArrays(backbone, path: path, with: $0) }
    }
  }
}

/// `torch.save(OrderedDict(…))`.
private func writeStateDictionary(
  _ tensors: [(name: String, tensor: Tensor)], path: String, with writer: FileWriter
) throws {
  var pickle = PickleWriter(version: 2)
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

/// `pickle.dump({"model": {name: array}, "__author__": …, "matching_heuristics": True})`, of protocol 3: the first
/// in which bytes are bytes and not half again as much text.
private func writeArrays(
  _ tensors: [(name: String, tensor: Tensor)], path: String, with writer: FileWriter
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
  pickle.write(true)
  pickle.setItems()
  pickle.end()
  try writer.write(pickle.take())
}

extension PickleWriter {
  fileprivate mutating func orderedDictionary() {
    global("collections", "OrderedDict")
    emptyTuple()
    call()
  }

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
