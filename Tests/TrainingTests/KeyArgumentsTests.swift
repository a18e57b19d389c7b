import Files
import Methods
import Testing
@testable import Training

/// Options of the command line that set keys.
@Suite struct KeyArgumentsTests {
  private func applied(_ arguments: String..., to recipe: RunConfig = RunConfig()) throws -> RunConfig {
    try KeyArguments(arguments).applied(to: recipe)
  }

  @Test func optionsSetKeysInEveryForm() throws {
    let config = try applied(
      "--moco-k", "4096", "--moco-t=0.2", "--mlp", "--no-shuffle-bn", "--lr", "-1", "--cos")
    #expect(config.mocoK == 4096 && config.mocoT == 0.2 && config.mlp && !config.shuffleBN && config.lr == -1)
    #expect(config.schedule == .cosine)
  }

  @Test func otherArgumentsAreLeftInOrder() throws {
    let arguments = try KeyArguments(["pretrain", "--moco-k", "8", "data", "--out", "o", "--", "--mlp"])
    #expect(arguments.rest == ["pretrain", "data", "--out", "o", "--", "--mlp"])
    #expect(arguments.argument("moco-k") == "8" && arguments.argument("mlp") == nil)
  }

  /// A command may use a name otherwise.
  @Test func keysThatAreNotAskedForAreLeft() throws {
    let keys = RunConfig.keys.filter { $0.name != "steps" }
    #expect(try KeyArguments(["--steps", "5"], keys: keys).rest == ["--steps", "5"])
  }

  @Test(arguments: [
    (["--moco-k"], "Missing value for '--moco-k <n>'."),
    (["--moco-k", "x"], "The value 'x' is invalid for '--moco-k <n>': give a whole number."),
    (["--moco-t", "x"], "The value 'x' is invalid for '--moco-t <t>': give a number such as 0.1."),
    (
      ["--optimizer", "sgb"],
      "The value 'sgb' is invalid for '--optimizer <optimizer>': give one of sgd, lars, adamw. Did you mean `sgd`?"
    ),
    (
      ["--schedule", "x"],
      "The value 'x' is invalid for '--schedule <schedule>': give cosine, epochs such as 120,160, or a factor and steps "
        + "such as 0.9x62500."
    ),
    (["--no-mlp=true"], "'--no-mlp' takes no value."), (["--cos=120,160"], "'--cos' takes no value."),
  ])
  func aWrongValueIsRefusedByWhatIsRight(arguments: [String], message: String) {
    #expect(throws: KeyArguments.Malformed(message: message)) { try KeyArguments(arguments) }
  }

  @Test func shortcutsDoNotContradictTheirKey() throws {
    #expect(throws: UsageError("--cos and --schedule contradict each other: give one of them.")) {
      try applied("--cos", "--schedule", "120,160")
    }
    #expect(try applied("--cos", "--schedule", "cosine").schedule == .cosine)
    #expect(throws: UsageError("--aug-plus and --views contradict each other: give one of them.")) {
      try applied("--aug-plus", "--views", "v1")
    }
  }

  @Test func anOptionThatTheMethodDoesNotUseIsRefused() throws {
    var config = RunConfig()
    config.method = "simclr"
    let arguments = try KeyArguments(["--moco-k", "100"])
    #expect(throws: UsageError("--moco-k 100: --method simclr does not use it. Leave it out.")) {
      try arguments.checkUse(in: [arguments.applied(to: config)])
    }
    config.method = "moco"
    config.mechanism = .endToEnd
    #expect(
      throws: UsageError(
        "--moco-k 100: --method moco with --mechanism end-to-end does not use it. Leave it out.")
    ) { try arguments.checkUse(in: [arguments.applied(to: config)]) }
    // An ablation's option has a use where one of its cells has one.
    try arguments.checkUse(in: [config, RunConfig()])
  }

  /// The recipe cifar has groups of batch normalisation, which SimCLR does not use; 1 undoes them.
  @Test func theDefaultOfAnUnusedKeyUndoesTheRecipe() throws {
    let arguments = try KeyArguments(["--method", "simclr", "--bn-splits", "1", "--no-symmetric"])
    let config = try arguments.applied(to: RunConfig.recipe("cifar"))
    try config.validate()
    try arguments.checkUse(in: [config])
  }

  @Test func anOptionThatTheNetworkDoesNotUseIsRefused() throws {
    let arguments = try KeyArguments(["--arch", "vit_small", "--stem", "cifar"])
    #expect(throws: UsageError("--stem cifar: only residual networks have a stem. Leave it out.")) {
      try arguments.checkUse(in: [arguments.applied(to: RunConfig())])
    }
  }

  @Test func theHelpHasEveryKeyWithin80Columns() {
    let help = KeyArguments.help(title: "Options of the recipe")
    for key in RunConfig.keys { #expect(help.contains("  --\(key.name)"), "\(key.name)") }
    #expect(help.contains("  --moco-t <t>            Temperature τ. (default: 0.07)\n"))
    #expect(help.contains("  --mlp/--no-mlp          A hidden layer in the head (v2)."))
    #expect(help.split(separator: "\n").allSatisfy { $0.count <= 80 })
    let noted = KeyArguments.help(title: "Options", note: String(repeating: "a word of it ", count: 12))
    #expect(noted.hasPrefix("OPTIONS:\n  a word of it a word of it "))
    #expect(noted.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }
}
