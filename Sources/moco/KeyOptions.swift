import ArgumentParser
import Data
import Images
import Methods
import Models
import Torch
import Training

/// A command whose recipe's keys are options: `Moco.main` takes them out of the arguments before
/// ArgumentParser reads these, and adds their help.
protocol TakesKeys: ParsableCommand {
  /// Whose keys they are; pre-training's unless a command says otherwise.
  associatedtype Config: CommandConfig = RunConfig
  /// Keys whose names have another meaning in the command.
  static var otherwiseUsed: Set<String> { get }
  /// A sentence or two before the help of the keys; nil where there is nothing to say.
  static var noteOfHelp: String? { get }
}

extension TakesKeys {
  static var otherwiseUsed: Set<String> { [] }
  static var noteOfHelp: String? { nil }

  static var keys: [any AnyKey] { Config.keys.filter { !otherwiseUsed.contains($0.name) } }

  /// Keys of data, of the course of a run and of its folder, which one step does not depend on.
  static var notOfAStep: Set<String> {
    Set(RunConfig.keys.filter { !$0.changesResult }.map(\.name))
      .union([
        "epochs", "minutes", "schedule", "warmup-epochs", "views", "image-sizes", "crop-scale", "max-pixels",
        "exif-orientation",
        "depth", "image-key",
      ])
      .union(["shuffle-buffer", "seed", "init", "init-key"]).subtracting(["device", "cuda-graph", "bank"])
  }

  /// The given keys.
  var keys: KeyArguments { .ofCommand }
}

extension ParsableCommand {
  /// The command named in the arguments.
  static func named(by arguments: [String]) -> any ParsableCommand.Type {
    guard let word = arguments.first(where: { $0 != "help" }),
      let next = configuration.subcommands.first(where: { $0.name == word })
    else { return self }
    return next.named(by: Array(arguments.drop { $0 != word }.dropFirst()))
  }

  static var name: String { configuration.commandName ?? String(describing: Self.self).lowercased() }
}

// Both KeyValue and ArgumentParser define how to read an argument; for these options they are the same.
extension DeviceChoice: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
extension Schedule: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
extension Depth: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { description }
}
extension Fraction: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
extension AugmentationPreset: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument) }
}
extension Architecture: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument) }
}
extension Interpolation: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument) }
}
extension Pooling: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument) }
}
