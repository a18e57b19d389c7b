import Torch

/// Runs `body` with so many threads for LibTorch's operations and for kernels of ours.
public func withThreads<Result>(_ count: Int, _ body: () throws -> Result) rethrows -> Result {
  let before = Runtime.threads
  Runtime.threads = count
  defer { Runtime.threads = before }
  return try body()
}
