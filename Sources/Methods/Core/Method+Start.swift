import Models
import Torch

extension Method {
  /// Gives the encoders other weights than those that were drawn. It works by the names of the state, and so for every
  /// method.
  ///
  /// A key encoder becomes the query encoder's copy, or what is given for it.
  /// - Parameters:
  ///   - query: some or all tensors of the query encoder, by the network's names.
  ///   - key: the same for the key encoder; what it lacks is the query encoder's.
  public func start(query: [String: Tensor], key: [String: Tensor] = [:]) {
    withNoGrad {
      for (name, tensor) in encoderTensors(.query) {
        guard let source = query[name] else { continue }
        source.expect(tensor.shape, name)
        tensor.copy(from: source)
      }
      let learned = Dictionary(uniqueKeysWithValues: encoderTensors(.query).map { ($0.name, $0.tensor) })
      for (name, tensor) in encoderTensors(.key) {
        guard let source = key[name] ?? learned[name] else {
          preconditionFailure("the key encoder has \(name), and the query encoder has not")
        }
        source.expect(tensor.shape, name)
        tensor.copy(from: source)
      }
    }
  }

  /// The tensors of an encoder, by the network's names; none where the method has no such encoder.
  public func encoderTensors(_ role: EncoderRole) -> [(name: String, tensor: Tensor)] {
    state.filter { $0.name.hasPrefix(role.prefix) }
      .map { (String($0.name.dropFirst(role.prefix.count)), $0.tensor) }
  }

  /// The names of the parts beside the encoders: a predictor, a queue.
  public var otherParts: [String] {
    let prefixes = EncoderRole.allCases.map(\.prefix)
    return state.map(\.name).filter { name in !prefixes.contains { name.hasPrefix($0) } }
      .map { String($0.prefix { $0 != "." }) }
      .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}
