import Files
import Torch

/// Copies the tensors of a checkpoint into those of the same names.
package func restoreTensors(
  _ mine: [(name: String, tensor: Tensor)], from saved: [String: Tensor], in path: String
) throws {
  guard mine.count == saved.count else {
    throw RunError("\(path): \(saved.count) tensors were saved and \(mine.count) are needed.")
  }
  try withTorchErrors {
    try withNoGrad {
      for (name, tensor) in mine {
        guard let source = saved[name], source.shape == tensor.shape else {
          throw RunError("\(path): the tensor \(name) is missing or has another shape.")
        }
        tensor.copy(from: source)
      }
    }
  }
}
