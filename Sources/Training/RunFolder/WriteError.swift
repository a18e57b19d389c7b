import Files
import Foundation

/// The error of a log or an event file that cannot be written.
func cannotWrite(_ path: String, _ error: any Error) -> RunError {
  // Cast in two steps: on Linux an entry of the dictionary is no NSError, whatever error it is.
  let cause = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error ?? error) as NSError
  let reason =
    cause.domain == NSPOSIXErrorDomain
    ? String(cString: strerror(Int32(cause.code))) : "\(cause.localizedDescription)"
  return RunError(
    "cannot write \(path): \(reason). Free space or fix its permissions; the same command continues the run."
  )
}
