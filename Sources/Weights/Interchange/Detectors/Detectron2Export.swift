import Files
import Models
import Torch

/// A detector as a checkpoint of detectron2's.
///
///     try Detectron2Export(detector.state, iteration: 24_000).write(to: "model_final.pkl")
public struct Detectron2Export {
  /// By detectron2's names.
  public let tensors: [(name: String, tensor: Tensor)]
  /// Steps of training.
  public let iteration: Int

  /// - Parameter state: a detector's tensors by this project's names, as a checkpoint of a run has them.
  public init(_ state: [(name: String, tensor: Tensor)], iteration: Int) {
    tensors = state.map { (GeneralizedRCNN.detectron2Name(of: $0.name), $0.tensor) }
    self.iteration = iteration
  }

  public init(_ state: [Module.Entry], iteration: Int) {
    self.init(state.map { ($0.name, $0.tensor.detached()) }, iteration: iteration)
  }

  /// Writes the file: whole or, on an error, not at all. `.pth` is `{"model": …, "iteration": …}` as detectron2's training
  /// saves it, `.pkl` `{"model": …, "__author__": …, "matching_heuristics": False}` of numpy arrays as its model zoo has.
  /// - Throws: `UsageError` for another extension, `FileError`, `InterchangeError`.
  public func write(to path: String) throws {
    switch path.pathExtension {
    case "pkl":
      try replaceFile(path) {
        try writeArrays(tensors, matchesByEnding: false, path: path, with: $0)
      }
    case "pth":
      try replaceFile(path) {
        try writeStateDictionary(
          tensors, under: "model", numbers: [("iteration", iteration)], path: path, with: $0)
      }
    default:
      throw UsageError("--out \(path): detectron2 takes a file that ends in .pkl or .pth of a detector.")
    }
  }
}
