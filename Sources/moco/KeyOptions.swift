import ArgumentParser
import Data
import Methods
import Models
import Torch
import Training

/// A command whose recipe's keys are options: `Moco.main` takes them out of the arguments before ArgumentParser sees
/// these, and adds their help.
protocol TakesKeys: ParsableCommand {
  /// Keys whose names mean something else to the command.
  static var otherwiseUsed: Set<String> { get }
}

extension TakesKeys {
  static var otherwiseUsed: Set<String> { [] }

  static var keys: [any AnyKey] { RunConfig.keys.filter { !otherwiseUsed.contains($0.name) } }

  /// The keys that were given.
  var keys: KeyArguments { .ofCommand }
}

extension ParsableCommand {
  /// The command that the arguments name.
  static func named(by arguments: [String]) -> any ParsableCommand.Type {
    guard let word = arguments.first(where: { $0 != "help" }),
      let next = configuration.subcommands.first(where: { $0.name == word })
    else { return self }
    return next.named(by: Array(arguments.drop { $0 != word }.dropFirst()))
  }

  static var name: String { configuration.commandName ?? String(describing: Self.self).lowercased() }
}

// Both KeyValue and ArgumentParser would read an argument; for options of ours they are the same.
extension DeviceChoice: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
extension Schedule: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
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
