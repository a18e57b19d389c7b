/// A learned tensor: it takes a gradient and the optimizer moves it, in place. A fixed one stands among the
/// parameters of other programs too, but takes no gradient and stays what it is: a position embedding, or a
/// projection that is frozen at its random start.
public final class Parameter {
  public let tensor: Tensor
  public let isFixed: Bool

  public init(_ tensor: Tensor, isFixed: Bool = false) {
    self.tensor = tensor
    self.isFixed = isFixed
    tensor.requiresGrad = !isFixed
  }
}

/// A tensor that belongs to the state but is not learned, such as a running mean. Changed in place only.
public final class Buffer {
  public let tensor: Tensor

  public init(_ tensor: Tensor) { self.tensor = tensor }
}

/// A layer or a network: parameters, buffers and other modules held in stored properties.
///
/// The state's names are the property names in snake case joined by dots, the elements of arrays (of arrays)
/// numbered, so a module whose properties are named as torchvision's has torchvision's state-dict keys in its order. What is
/// found once is kept: a module's structure does not change after it was built. A bare stored ``Tensor`` is
/// an error, because nothing would say whether it is learned, saved or neither.
open class Module {
  /// Whether batch statistics are used and moved. Independent of gradient mode: MoCo's key encoder runs in
  /// training mode without gradients.
  public private(set) var isTraining = true

  public init() {}

  /// The layer's function; layers of one input override it.
  open func forward(_ x: Tensor) -> Tensor {
    preconditionFailure("\(type(of: self)) has no forward pass of one input")
  }

  public final func callAsFunction(_ x: Tensor) -> Tensor { forward(x) }

  /// Sets the mode of this module and everything in it.
  public final func train(_ isTraining: Bool = true) {
    self.isTraining = isTraining
    for (_, child) in children { child.train(isTraining) }
  }

  /// One named tensor of a module's state.
  public struct Entry {
    public enum Kind: Sendable {
      case parameter
      /// A parameter that does not learn.
      case fixed
      case buffer
    }
    /// State-dict key, for example `layer1.0.bn1.running_mean`.
    public let name: String
    public let tensor: Tensor
    public let kind: Kind
  }

  /// Parameters, fixed ones too, and buffers, in state-dict order.
  public final var state: [Entry] { inventory }
  /// What learns.
  public final var namedParameters: [Entry] { inventory.filter { $0.kind == .parameter } }
  /// The same for a module that stands under a name in a larger whole.
  public final func namedParameters(under prefix: String) -> [Entry] {
    namedParameters.map { Entry(name: "\(prefix).\($0.name)", tensor: $0.tensor, kind: $0.kind) }
  }
  public final var parameters: [Tensor] { namedParameters.map(\.tensor) }
  public final var buffers: [Tensor] { inventory.filter { $0.kind == .buffer }.map(\.tensor) }

  /// This module and everything in it.
  public final var modules: [Module] { [self] + children.flatMap(\.module.modules) }

  private lazy var contents = Module.contents(of: self)
  private var children: [(name: String, module: Module)] { contents.modules }
  private lazy var inventory: [Entry] = {
    let own = contents.entries
    return own
      + children.flatMap { name, child in
        child.state.map { Entry(name: "\(name).\($0.name)", tensor: $0.tensor, kind: $0.kind) }
      }
  }()

  private struct Contents {
    var entries: [Entry] = []
    var modules: [(name: String, module: Module)] = []
  }

  private static func contents(of module: Module) -> Contents {
    var found = Contents()
    var mirror: Mirror? = Mirror(reflecting: module)
    var levels: [Mirror] = []
    while let level = mirror, level.subjectType != Module.self {
      levels.insert(level, at: 0)  // a superclass's properties come first
      mirror = level.superclassMirror
    }
    for case let (label?, value) in levels.flatMap(\.children) {
      collect(value, named: snakeCase(label), in: module, into: &found)
    }
    return found
  }

  private static func collect(_ value: Any, named name: String, in owner: Module, into found: inout Contents)
  {
    switch value {
    case let parameter as Parameter:
      found.entries.append(
        Entry(name: name, tensor: parameter.tensor, kind: parameter.isFixed ? .fixed : .parameter))
    case let buffer as Buffer:
      found.entries.append(Entry(name: name, tensor: buffer.tensor, kind: .buffer))
    case let child as Module:
      found.modules.append((name, child))
    case let list as [Any]:
      // A Sequential's layers stand right below it, as in PyTorch.
      let prefix = owner is Sequential ? "" : name + "."
      for (index, element) in list.enumerated() {
        collect(element, named: "\(prefix)\(index)", in: owner, into: &found)
      }
    case is Tensor:
      preconditionFailure("\(type(of: owner)).\(name) is a bare Tensor: hold it as a Parameter or a Buffer")
    default:
      let mirror = Mirror(reflecting: value)
      if mirror.displayStyle == .optional, let wrapped = mirror.children.first {
        collect(wrapped.value, named: name, in: owner, into: &found)
      }
    }
  }

  /// `runningMean` → `running_mean`; digits stay where they are.
  static func snakeCase(_ label: String) -> String {
    label.reduce(into: "") { text, character in
      if character.isUppercase { text += "_" + character.lowercased() } else { text.append(character) }
    }
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
        guard entry.tensor.isDefined else { continue }  // its making has failed, which is reported
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

  /// Moves everything to a device, convolution weights in the layout convolutions like, in place.
  public func move(to device: Device, layout: MemoryLayout4D = .channelsLast) {
    withNoGrad {
      for entry in state {
        let moved = entry.tensor.detached().to(device)
        entry.tensor.setData(entry.tensor.rank == 4 ? moved.contiguous(layout) : moved)
      }
    }
  }
}
