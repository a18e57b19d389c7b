import Methods
import Training

/// The configuration, key by key, beside the recipe that is nearest to it.
struct SettingsTable {
  let config: RunConfig

  func html() throws -> HTML {
    let (recipe, its) = try nearest()
    let values = SettingsTable.values(config)
    let rows = RunConfig.keys.map(\.name).compactMap { key -> HTML? in
      let (mine, theirs) = (values[key], its[key])
      guard mine != nil || theirs != nil else { return nil }
      guard mine != theirs else { return "<div><dt>\(key)</dt><dd>\(mine ?? "")</dd></div>" }
      let there = theirs.map { "recipe: \($0)" } ?? "not in the recipe"
      return """
        <div class="changed"><dt>\(key)</dt><dd><b>\(mine ?? "unset")</b> <small>\(there)</small></dd></div>
        """
    }
    return """
      <p>Compared with the recipe <b>\(recipe)</b>, the nearest one; what differs is bold.</p>
      <dl class="settings">
      \(rows)
      </dl>
      """
  }

  /// A stem that is not given is the network's own.
  private static func values(_ config: RunConfig) -> [String: String] {
    var config = config
    config.stem = config.stem ?? config.arch.defaultStem
    return config.values
  }

  /// The recipe with the fewest other values.
  private func nearest() throws -> (name: String, values: [String: String]) {
    let mine = SettingsTable.values(config)
    let all = try Recipe.names.map { (name: $0, values: SettingsTable.values(try .recipe($0))) }
    func differences(_ recipe: (name: String, values: [String: String])) -> Int {
      RunConfig.keys.count { mine[$0.name] != recipe.values[$0.name] }
    }
    guard let best = all.min(by: { differences($0) < differences($1) }) else {
      preconditionFailure("there are no recipes")
    }
    return best
  }
}
