/// A learned tensor: it has a gradient, and the optimizer updates it in place.
///
/// A fixed parameter is also listed among the parameters, but has no gradient and does not change: a position
/// embedding, a frozen stage, a key encoder.
public final class Parameter {
  public let tensor: Tensor
  public private(set) var isFixed: Bool

  public init(_ tensor: Tensor, isFixed: Bool = false) {
    self.tensor = tensor
    self.isFixed = isFixed
    tensor.requiresGrad = !isFixed
  }

  /// From now on it has no gradient, and optimizers made later do not update it.
  public func freeze() {
    isFixed = true
    tensor.requiresGrad = false
  }
}

/// A tensor that belongs to the state but is not learned, such as a running mean. It is only changed in
/// place.
open class Buffer {
  public let tensor: Tensor

  public init(_ tensor: Tensor) { self.tensor = tensor }
}

/// A layer, a network or a method: parameters, buffers and other modules held in stored properties.
///
/// A tensor's name in the state is its property names in snake case, joined by dots, with numbers for the
/// elements of (nested) arrays, in the order of declaration. A tensor that several modules share has the first of its
/// names. So a module whose properties are named as in
/// torchvision has torchvision's state-dict keys, and renaming a property renames tensors in every file of
/// weights. The structure is read once: a module must not change it later. A bare stored ``Tensor`` is an
/// error, because it would be neither learned nor saved.
///
///     final class Perceptron: Module {
///       let fc1: Linear
///       let fc2: Linear
///       override func forward(_ x: Tensor) -> Tensor { fc2(relu(fc1(x))) }
///     }
///     perceptron.state.map(\.name)  // fc1.weight, fc1.bias, fc2.weight, fc2.bias
open class Module {
  /// Whether batch statistics are used and updated. Independent of gradient mode: MoCo's key encoder runs in
  /// training mode without gradients.
  public private(set) var isTraining = true

  public init() {}

  /// The layer's function; override it in layers with one input.
  open func forward(_ x: Tensor) -> Tensor {
    preconditionFailure("\(type(of: self)) has no forward pass of one input")
  }

  public final func callAsFunction(_ x: Tensor) -> Tensor { forward(x) }

  /// The name of a stored property in the state; `nil` puts the property's own tensors directly below this
  /// module, as PyTorch does with the layers of a `Sequential`.
  open func stateName(of property: String) -> String? { Module.snakeCase(property) }

  /// Sets the mode of this module and all modules in it.
  public final func train(_ isTraining: Bool = true) {
    self.isTraining = isTraining
    for module in modules.dropFirst() { module.isTraining = isTraining }
  }

  /// One named tensor of a module's state.
  public struct Entry {
    public enum Kind: Sendable {
      case parameter
      /// A parameter that is not learned.
      case fixed
      case buffer
    }
    /// State-dict key, for example `layer1.0.bn1.running_mean`.
    public let name: String
    public let tensor: Tensor
    public let kind: Kind

    public init(name: String, tensor: Tensor, kind: Kind) {
      (self.name, self.tensor, self.kind) = (name, tensor, kind)
    }
  }

  /// Parameters (fixed ones too) and buffers, in state-dict order.
  public final var state: [Entry] {
    let all: [Entry] = members.flatMap { name, value in
      switch value {
      case .parameter(let it):
        [Entry(name: name, tensor: it.tensor, kind: it.isFixed ? .fixed : .parameter)]
      case .buffer(let it): [Entry(name: name, tensor: it.tensor, kind: .buffer)]
      case .module(let it): it.state.map { $0.prefixed(name) }
      }
    }
    var listed: Set<ObjectIdentifier> = []
    return all.filter { listed.insert(ObjectIdentifier($0.tensor)).inserted }
  }

  /// The parameters that are learned.
  public final var namedParameters: [Entry] { state.filter { $0.kind == .parameter } }
  public final var parameters: [Tensor] { namedParameters.map(\.tensor) }
  public final var buffers: [Tensor] { state.filter { $0.kind == .buffer }.map(\.tensor) }
  /// The buffers that this module holds directly.
  public final var ownBuffers: [Buffer] {
    members.compactMap { if case .buffer(let it) = $0.value { it } else { nil } }
  }

  /// This module and all modules in it, each once.
  public final var modules: [Module] {
    var listed: Set<ObjectIdentifier> = []
    return ([self] + children.flatMap(\.modules)).filter { listed.insert(ObjectIdentifier($0)).inserted }
  }

  /// From now on no parameter in this module has a gradient, and optimizers made later update none. Batch
  /// statistics are not frozen; ``train(_:)`` controls them.
  public final func freeze() {
    for module in modules {
      for case .parameter(let it) in module.members.map(\.value) { it.freeze() }
    }
  }

  private var children: [Module] {
    members.compactMap { if case .module(let it) = $0.value { it } else { nil } }
  }

  private enum Value {
    case parameter(Parameter)
    case buffer(Buffer)
    case module(Module)
  }

  private lazy var members: [(name: String, value: Value)] = {
    var mirrors: [Mirror] = []
    var mirror: Mirror? = Mirror(reflecting: self)
    while let level = mirror, level.subjectType != Module.self {
      mirrors.insert(level, at: 0)  // a superclass's properties come first
      mirror = level.superclassMirror
    }
    var found: [(name: String, value: Value)] = []
    for case let (label?, value) in mirrors.flatMap(\.children) {
      collect(value, named: stateName(of: label) ?? "", into: &found)
    }
    return found
  }()

  private func collect(_ value: Any, named name: String, into found: inout [(name: String, value: Value)]) {
    switch value {
    case let parameter as Parameter: found.append((name, .parameter(parameter)))
    case let buffer as Buffer: found.append((name, .buffer(buffer)))
    case let module as Module: found.append((name, .module(module)))
    case let list as [Any]:
      for (index, element) in list.enumerated() {
        collect(element, named: name.isEmpty ? "\(index)" : "\(name).\(index)", into: &found)
      }
    case is Tensor:
      preconditionFailure("\(type(of: self)).\(name) is a bare Tensor: hold it as a Parameter or a Buffer")
    default:
      let mirror = Mirror(reflecting: value)
      if mirror.displayStyle == .optional, let wrapped = mirror.children.first {
        collect(wrapped.value, named: name, into: &found)
      }
    }
  }

  /// `runningMean` → `running_mean`; digits do not start a new word.
  static func snakeCase(_ label: String) -> String {
    label.reduce(into: "") { text, character in
      if character.isUppercase { text += "_" + character.lowercased() } else { text.append(character) }
    }
  }
}

extension Module.Entry {
  /// The same tensor as a part of a larger module; an empty prefix adds nothing.
  fileprivate func prefixed(_ prefix: String) -> Module.Entry {
    prefix.isEmpty ? self : Module.Entry(name: "\(prefix).\(name)", tensor: tensor, kind: kind)
  }
}

extension Module {
  /// Copies every parameter and buffer of `other`, paired by name.
  public func copyState(from other: Module) {
    let theirs = Dictionary(uniqueKeysWithValues: other.state.map { ($0.name, $0.tensor) })
    precondition(
      theirs.count == state.count, "\(state.count) tensors cannot be paired with \(theirs.count)")
    withNoGrad {
      for entry in state {
        guard let source = theirs[entry.name] else {
          preconditionFailure("\(type(of: other)) has no tensor named \(entry.name)")
        }
        guard entry.tensor.isDefined else { continue }  // after an error, which withTorchErrors reports
        source.expect(entry.tensor.shape, entry.name)
        entry.tensor.copy(from: source)
      }
    }
  }

  /// Converts parameters and floating-point buffers, in place.
  public func convert(to dtype: DType) {
    withNoGrad {
      for entry in state where entry.tensor.dtype.isFloatingPoint {
        entry.tensor.setData(entry.tensor.detached().to(dtype))
      }
    }
  }

  /// Moves all tensors to a device, in place; convolution weights get `layout`.
  public func move(to device: Device, layout: MemoryLayout4D = .channelsLast) {
    withNoGrad {
      for entry in state {
        let moved = entry.tensor.detached().to(device)
        entry.tensor.setData(entry.tensor.rank == 4 ? moved.contiguous(layout) : moved)
      }
    }
  }
}
