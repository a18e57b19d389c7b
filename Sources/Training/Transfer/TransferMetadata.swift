import Files
import Foundation
import Models
import Weights

/// What a file of weights states of its network: the structure and the classes.
package struct TransferMetadata<Task: TransferTask>: Equatable {
  package let spec: Task.Config.Spec
  package let list: Task.Classes
  package var classes: [String] { list.names }

  package init(_ spec: Task.Config.Spec, _ dataset: Task.Dataset) {
    (self.spec, list) = (spec, Task.Classes(dataset))
  }

  /// - Throws: `RunError` where it is no network of this task.
  package init(_ checkpoint: Checkpoint) throws {
    let decoder = JSONDecoder()
    let noun = Task.Config.Spec.noun
    guard let network = checkpoint.metadata[noun], let names = checkpoint.metadata[Self.classesKey] else {
      throw RunError(
        "\(checkpoint.path): it holds no \(noun). Give a run of `moco \(Task.Config.command)`, or one of its checkpoints."
      )
    }
    guard let spec = try? decoder.decode(Task.Config.Spec.self, from: Data(network.utf8)),
      let list = try? decoder.decode(Task.Classes.self, from: Data(names.utf8)), spec.problem == nil,
      list.isOf(classes: spec.classes)
    else { throw RunError("\(checkpoint.path): the \(noun) that the file states cannot be.") }
    (self.spec, self.list) = (spec, list)
  }

  private static var classesKey: String { "classes" }

  /// The metadata of a run's files of weights.
  func written(with config: Task.Config) throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func text(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    return [
      "config": try text(config), "format": "moco", Task.Config.Spec.noun: try text(spec),
      Self.classesKey: try text(list),
    ]
  }
}
