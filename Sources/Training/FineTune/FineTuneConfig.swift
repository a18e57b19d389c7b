import Files
import Methods

/// The configuration of fine-tuning for classification. Keys are members, as those of ``RunConfig``.
@dynamicMemberLookup
package struct FineTuneConfig: CommandConfig {
  package var storage = KeyStorage()

  package init() {}

  package subscript<Value>(dynamicMember path: KeyPath<FineTuneKeys, FineTuneKey<Value>>) -> Value {
    get { self[FineTuneKeys.table[keyPath: path]] }
    set { self[FineTuneKeys.table[keyPath: path]] = newValue }
  }

  package static let command = "finetune"
  package static let keys: [any KeyOf<FineTuneConfig>] = Mirror(reflecting: FineTuneKeys.table).children
    .compactMap { $0.value as? any KeyOf<FineTuneConfig> }
  package static var recipes: [(name: String, text: [UInt8])] { FineTuneRecipe.all }
  package static let keysOfMachines: Set<String> = []
  package static let keysOfPlaces: Set<String> = []

  package func disuse(of key: any KeyOf<FineTuneConfig>) -> String? { nil }

  package var comparable: FineTuneConfig { self }
}

/// The recipes of fine-tuning in the program, each a YAML file in `FineTuneRecipes/`.
package enum FineTuneRecipe {
  package static let all: [(name: String, text: [UInt8])] = [
    (standard, PackageResources.few_labels_yaml),
    ("imagenet", PackageResources.imagenet_yaml),
    ("inaturalist", PackageResources.inaturalist_yaml),
    ("deit", PackageResources.deit_yaml),
  ]

  /// The one that holds unless another is given.
  package static let standard = "few-labels"

  package static var names: [String] { all.map(\.name) }
}
