import Torch

extension Module {
  /// Names that only one side has.
  public struct Differences: Equatable, Sendable {
    /// In the module, not among the tensors.
    public var missing: [String] = []
    /// Among the tensors, not in the module; sorted.
    public var unexpected: [String] = []
  }

  /// Copies tensors into the parameters and buffers of the same names, converting type and device.
  ///
  /// All are copied or, on an error, none.
  /// - Parameter strict: whether names must agree; shapes always must.
  /// - Returns: the names that did not agree; none if `strict`.
  @discardableResult
  public func load(_ tensors: [String: Tensor], strict: Bool = true) throws -> Differences {
    var differences = Differences()
    var misshapen: [StateMismatch.Shape] = []
    for entry in state {
      guard let source = tensors[entry.name] else {
        differences.missing.append(entry.name)
        continue
      }
      if source.shape != entry.tensor.shape {
        misshapen.append(.init(name: entry.name, expected: entry.tensor.shape, found: source.shape))
      }
    }
    let names = Set(state.map(\.name))
    differences.unexpected = tensors.keys.filter { !names.contains($0) }.sorted()
    if !misshapen.isEmpty || strict && differences != Differences() {
      throw StateMismatch(module: "\(type(of: self))", differences: differences, misshapen: misshapen)
    }
    withNoGrad {
      for entry in state {
        if let source = tensors[entry.name] { entry.tensor.copy(from: source) }
      }
    }
    return differences
  }

}

/// Tensors that do not belong to the module they were to be loaded into.
public struct StateMismatch: Error, Equatable, CustomStringConvertible {
  public struct Shape: Equatable, Sendable {
    public let name: String
    public let expected: [Int]
    public let found: [Int]
  }

  /// The module's type.
  public let module: String
  public let differences: Module.Differences
  /// Equal names with other shapes.
  public let misshapen: [Shape]

  public var description: String {
    let parts = [
      part("missing", differences.missing),
      part("unexpected", differences.unexpected),
      part("of another shape", misshapen.map { "\($0.name) (\($0.found), expected \($0.expected))" }),
    ]
    return "the tensors do not fit \(module): \(parts.compactMap { $0 }.joined(separator: "; ")). "
      + "Check that the architecture and its options are those the checkpoint was made with."
  }

  private func part(_ what: String, _ items: [String]) -> String? {
    guard !items.isEmpty else { return nil }
    let shown = items.prefix(3).joined(separator: ", ")
    return "\(items.count) \(what): \(shown)\(items.count > 3 ? ", …" : "")"
  }
}
