/// A fault of a weights file of another program, or of its contents.
public struct InterchangeError: Error, Equatable, CustomStringConvertible {
  public enum Problem: Equatable, Sendable {
    /// Neither a file of `torch.save`, a pickle nor safetensors.
    case unknownFormat
    /// The bytes contradict themselves or their format.
    case damaged(String)
    /// The pickle calls a function or class that is not on the list of harmless ones. It was not called.
    case forbidden(global: String, byte: Int)
    /// The pickle is malformed, or does something that weights do not need.
    case pickle(String, byte: Int)
    /// More than is read of anything, so that a small file cannot take much memory or time.
    case overLimit(String)
    /// A tensor that contradicts the bytes it stands on.
    case tensor(String, name: String)
    /// A legal file of a kind that is not read or written.
    case unsupported(String)
    /// The tensors are no encoder that is known here.
    case noEncoder(String)
    /// There are several networks, and none was chosen. `list` names them; the names of one begin with `example`.
    case severalNetworks(list: String, example: String)
    /// The encoder of a role is not there, and others are: the fault, a sentence.
    case noSuchRole(String)
  }

  public let path: String
  public let problem: Problem

  public init(path: String, problem: Problem) { (self.path, self.problem) = (path, problem) }

  public var description: String {
    switch problem {
    case .unknownFormat:
      "\(path) is no file of weights: neither PyTorch's (.pth), a pickle (.pkl) nor safetensors. Check the path."
    case .damaged(let what): "\(path) is damaged: \(what). Copy or download it again."
    case .forbidden(let global, let byte):
      "\(path) asks to call \(global) (byte \(byte) of its pickle), which weights do not need. Nothing was called. "
        + "Do not trust this file; if you do, save only its state_dict with torch.save."
    case .pickle(let what, let byte):
      "\(path) has a pickle that is not read: \(what) at byte \(byte). "
        + "Copy it again, or save only its state_dict with torch.save."
    case .overLimit(let what): "\(path) asks for too much: \(what). Save only its state_dict with torch.save."
    case .tensor(let what, let name): "\(path): tensor \(name) \(what). Copy or export it again."
    case .unsupported(let what): "\(path): \(what)"
    case .noEncoder(let what): "\(path): \(what)"
    case .severalNetworks(let list, _):
      "\(path): it has several networks: \(list). Choose one with --prefix."
    case .noSuchRole(let what): "\(path): \(what) Choose another --encoder."
    }
  }
}
