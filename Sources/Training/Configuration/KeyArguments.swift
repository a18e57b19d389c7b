import Files
import Methods

/// The command line options that set keys: `--moco-k 4096`, `--moco-k=4096`, `--mlp`, `--no-mlp`, `--cos`.
package struct KeyArguments: Sendable {
  private struct Given: Sendable {
    let key: any AnyKey
    let option: String
    let argument: String
  }

  /// An option without its value, or with a value of another form.
  package struct Malformed: Error, Equatable {
    package let message: String
  }

  private var given: [Given] = []
  /// The other arguments, in order.
  package private(set) var rest: [String] = []

  /// No arguments.
  package init() {}

  /// Takes the options of `keys` out of a command line.
  /// - Throws: ``Malformed``.
  package init(_ arguments: [String], keys: [any AnyKey] = RunConfig.keys) throws {
    var arguments = arguments[...]
    while let word = arguments.popFirst() {
      guard word != "--" else {
        rest += [word] + arguments
        return
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let (key, fixed) = KeyArguments.find(parts[0], among: keys) else {
        rest.append(word)
        continue
      }
      guard fixed == nil || parts.count == 1 else {
        throw Malformed(message: "'\(parts[0])' takes no value.")
      }
      var argument = parts.count > 1 ? parts[1] : fixed
      if argument == nil { argument = arguments.popFirst() }
      guard let argument else {
        throw Malformed(message: "Missing value for '\(KeyArguments.usage(of: key))'.")
      }
      try KeyArguments.check(argument, of: key)
      given.append(Given(key: key, option: parts[0], argument: argument))
    }
  }

  /// The key of an option, and the value if the option itself sets one.
  private static func find(_ option: String, among keys: [any AnyKey]) -> (key: any AnyKey, value: String?)? {
    guard option.hasPrefix("--") else { return nil }
    let name = String(option.dropFirst(2))
    for key in keys {
      if key.name == name { return (key, key.isFlag ? "true" : nil) }
      if key.isFlag, "no-\(key.name)" == name { return (key, "false") }
      if let value = key.shortcuts[name] { return (key, value) }
    }
    return nil
  }

  private static func check(_ argument: String, of key: any AnyKey) throws {
    guard !key.accepts(argument) else { return }
    let nearest = key.choices.map { suggestion(for: argument, among: $0) } ?? ""
    throw Malformed(
      message: "The value '\(argument)' is invalid for '\(usage(of: key))': give \(key.form).\(nearest)")
  }

  /// The argument for a key; nil if it was not given.
  package func argument(_ name: String) -> String? { given.last { $0.key.name == name }?.argument }

  /// The recipe with these options applied.
  /// - Throws: ``UsageError`` for options that contradict each other, or that the method or the network does
  ///   not use.
  package func applied<Config: CommandConfig>(to recipe: Config) throws -> Config {
    var config = recipe
    var seen: [String: Given] = [:]
    for one in given {
      if let other = seen[one.key.name], other.option != one.option, other.argument != one.argument,
        !one.key.isFlag
      {
        throw UsageError("\(other.option) and \(one.option) contradict each other: give one of them.")
      }
      seen[one.key.name] = one
      _ = Config.key(one.key.name)?.set(one.argument, in: &config)
    }
    try config.settle(given: Set(seen.keys))
    return config
  }

  /// Raises an error for options that no configuration uses.
  package func checkUse<Config: CommandConfig>(in configs: [Config]) throws {
    for one in given {
      guard let key = Config.key(one.key.name) else { continue }
      // The default of a key without a use changes nothing: it may undo what the recipe sets.
      let reasons = configs.map { key.isDefault(in: $0) ? nil : $0.uselessness(of: key) }
      guard let reason = reasons.first ?? nil, reasons.allSatisfy({ $0 != nil }) else { continue }
      throw UsageError("\(one.option)\(one.key.isFlag ? "" : " \(one.argument)"): \(reason). Leave it out.")
    }
  }

  // MARK: - Help

  /// The option in the form of the help: `--moco-k <n>`.
  private static func usage(of key: any AnyKey) -> String {
    key.isFlag ? "--\(key.name)" : "--\(key.name) <\(key.placeholder ?? key.name)>"
  }

  /// The help for all options, a paragraph each, within 80 columns.
  /// - Parameter note: Sentences below the title.
  package static func help(
    _ keys: [any AnyKey] = RunConfig.keys, title: String, note: String? = nil
  ) -> String {
    let lines = keys.flatMap { key -> [String] in
      let shortcuts = key.shortcuts.sorted { $0.key < $1.key }
      return [paragraph(names(of: key), text(of: key))]
        + shortcuts.map { paragraph("--\($0.key)", "The same as --\(key.name) \($0.value).") }
    }
    let lead = note.map { wrapped($0, after: ["  "]) + "\n" } ?? ""
    return "\(title.uppercased()):\n" + lead + lines.joined()
  }

  private static func names(of key: any AnyKey) -> String {
    key.isFlag ? "--\(key.name)/--no-\(key.name)" : usage(of: key)
  }

  private static func text(of key: any AnyKey) -> String {
    let choices = key.choices.map { " One of \($0.joined(separator: ", "))." } ?? ""
    let fallback = key.defaultText.map { " (default: \($0))" } ?? ""
    return key.help + choices + fallback
  }

  private static func paragraph(_ names: String, _ text: String) -> String {
    let indent = 26
    var lines = ["  " + names]
    if lines[0].count >= indent { lines.append("") }
    lines[lines.count - 1] = lines[lines.count - 1].padded(to: indent)
    return wrapped(text, after: lines)
  }

  /// Continues the last of these lines with the words of a text, and indents further lines as far as it reaches.
  private static func wrapped(_ text: String, after lines: [String]) -> String {
    let columns = 80
    var (lines, line) = (Array(lines.dropLast()), lines[lines.count - 1])
    let indent = line.count
    for word in text.split(separator: " ") {
      if line.count + 1 + word.count > columns, line.count > indent {
        lines.append(line)
        line = String(repeating: " ", count: indent)
      }
      line += (line.count > indent ? " " : "") + word
    }
    return (lines + [line]).joined(separator: "\n") + "\n"
  }
}

extension KeyArguments {
  /// The options of the running command.
  @TaskLocal package static var ofCommand = KeyArguments()
}
