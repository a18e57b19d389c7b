import Files

/// Fails early if a file cannot be written at one of these paths.
func checkOutputs(_ outputs: (option: String, path: String?)..., makesFolders: Bool = false) throws {
  for case (let option, let path?) in outputs {
    do {
      try checkReplaceable(path, makesFolders: makesFolders)
    } catch let error as FileError {
      throw UsageError("\(option) \(path): \(error)")
    }
  }
}

/// The same for weights, whose name must have an extension that the other commands accept.
func checkCheckpointOutput(_ path: String) throws {
  guard path.hasSuffix(".safetensors") else {
    throw UsageError("--out \(path): the checkpoint is a file; give it a name that ends in .safetensors.")
  }
  try checkOutputs(("--out", path))
}

/// Fails if a file's name has the extension of something else than will be written.
/// - Parameters:
///   - content: what is written, as "a PNG picture".
///   - extensions: those it may have, the usual one first.
func checkExtension(_ option: String, _ path: String?, content: String, _ extensions: String...) throws {
  guard let ending = path?.pathExtension, !ending.isEmpty, !extensions.contains(ending) else { return }
  throw UsageError(
    "\(option) \(path ?? ""): this is \(content); give it a name that ends in .\(extensions.joined(separator: " or ."))."
  )
}
