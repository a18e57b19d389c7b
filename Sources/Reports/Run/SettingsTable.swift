import Training

/// The configuration, key by key, beside the recipe that is nearest to it.
struct SettingsTable {
  let config: RunConfig

  func html() throws -> HTML {
    let (recipe, its) = try nearest()
    let values = try SettingsTable.values(config)
    let rows = RunConfig.CodingKeys.allCases.compactMap { key -> HTML? in
      let (mine, theirs) = (values[key], its[key])
      guard mine != nil || theirs != nil else { return nil }
      guard mine != theirs else {
        return "<div><dt>\(key.rawValue)</dt><dd>\(mine ?? "")</dd></div>"
      }
      let there = theirs.map { "recipe: \($0)" } ?? "not in the recipe"
      return """
        <div class="changed"><dt>\(key.rawValue)</dt><dd><b>\(mine ?? "unset")</b> <small>\(there)</small></dd></div>
        """
    }
    return """
      <p>Compared with the recipe <b>\(recipe.rawValue)</b>, the nearest one; what differs is bold.</p>
      <dl class="settings">
      \(rows)
      </dl>
      """
  }

  /// A stem that is not given is the network's own.
  private static func values(_ config: RunConfig) throws -> [RunConfig.CodingKeys: String] {
    var config = config
    config.stem = config.stem ?? config.arch.defaultStem
    return try config.values
  }

  /// The recipe with the fewest other values.
  private func nearest() throws -> (Recipe, [RunConfig.CodingKeys: String]) {
    let mine = try SettingsTable.values(config)
    func differences(_ values: [RunConfig.CodingKeys: String]) -> Int {
      RunConfig.CodingKeys.allCases.filter { mine[$0] != values[$0] }.count
    }
    var best = (Recipe.v1, try SettingsTable.values(.recipe(Recipe.v1.rawValue)))
    for recipe in Recipe.allCases.dropFirst() {
      let values = try SettingsTable.values(.recipe(recipe.rawValue))
      if differences(values) < differences(best.1) { best = (recipe, values) }
    }
    return best
  }
}
