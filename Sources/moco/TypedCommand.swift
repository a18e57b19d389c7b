import Files

extension Moco {
  /// The command line as a shell would read it again.
  static var typed: String { quotedForShell(["moco"] + CommandLine.arguments.dropFirst()) }
}
