import Foundation

/// Writes a small file whole, or throws what is wrong, where, and how to fix it.
package func writeFile(_ text: String, to path: String) throws {
  do {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  } catch {
    throw cannotWrite(path, error)
  }
}

package func cannotWrite(_ path: String, _ error: any Error) -> RunError {
  // Cast in two steps: on Linux what lies in a dictionary is no NSError, whatever error it is.
  let cause = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error ?? error) as NSError
  let reason =
    cause.domain == NSPOSIXErrorDomain
    ? String(cString: strerror(Int32(cause.code))) : "\(cause.localizedDescription)"
  return RunError(
    "cannot write \(path): \(reason). Free space or fix its permissions; the same command continues the run."
  )
}
