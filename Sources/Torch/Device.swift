import CTorch

/// The device that holds a tensor's memory.
public enum Device: Hashable, Sendable, CustomStringConvertible {
  case cpu
  case cuda(Int)
  case mps

  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .cuda(let index): "cuda:\(index)"
    case .mps: "mps"
    }
  }

  var c: ct_device {
    switch self {
    case .cpu: ct_device(kind: CT_CPU, index: 0)
    case .cuda(let index): ct_device(kind: CT_CUDA, index: Int32(index))
    case .mps: ct_device(kind: CT_MPS, index: 0)
    }
  }

  init(_ c: ct_device) {
    switch c.kind {
    case CT_CUDA: self = .cuda(Int(c.index))
    case CT_MPS: self = .mps
    default: self = .cpu
    }
  }
}

/// LibTorch on this machine: version, threads and devices.
public enum Runtime {
  public static var version: String { String(cString: ct_version()) }
  /// The widest vector instructions that LibTorch's kernels use here.
  public static var cpuCapability: String { String(cString: ct_cpu_capability()) }

  /// The number of threads that one operation called from this thread may use.
  public static var threads: Int {
    get { Int(ct_threads()) }
    set {
      precondition(newValue > 0, "threads = \(newValue) must be at least 1")
      check(ct_set_threads(Int32(newValue)))
    }
  }

  /// The number of those `threads` that this package's own kernels use, measured by running one.
  public static var kernelThreads: Int {
    var count: Int32 = 0
    check(ct_kernel_threads(&count))
    return Int(count)
  }

  /// Sets whether float32 matrix products and convolutions on a GPU may round their factors to TF32 (10 bits
  /// of mantissa). LibTorch's default is yes for convolutions and no for products.
  public static func allowTF32(_ allowed: Bool) { check(ct_set_tf32(allowed)) }

  /// Lets this process keep freed memory for reuse, which saves a training step's time on a CPU.
  /// Programs that train call it at start-up.
  public static func keepFreedMemory() { ct_keep_freed_memory() }

  /// Silences LibTorch's log, unless TORCH_CPP_LOG_LEVEL is set. Failures are thrown in any case.
  public static func silenceLog() { ct_silence_log() }

  /// Ends this process when its parent process ends, even by SIGKILL. On Linux only; elsewhere it does
  /// nothing.
  public static func dieWithParent() { ct_die_with_parent() }

  /// The number of usable GPUs, or the reason why there are none.
  public enum CUDA: Sendable, Equatable {
    case available(count: Int)
    case unavailable(reason: String)
  }

  /// Loads the CUDA kernels if they are there. LibTorch caches its first answer about CUDA, so this value is
  /// computed once, before any other use of CUDA.
  public static let cuda: CUDA = {
    if let failure = ct_load_cuda() {
      return .unavailable(reason: "this LibTorch has no CUDA kernels (\(String(cString: failure)))")
    }
    var count: Int32 = 0
    ct_error_scope_begin()
    defer { ct_error_scope_end() }
    _ = ct_cuda_device_count(&count)
    if let error = TorchError.takeRecorded() { return .unavailable(reason: error.message) }
    return count > 0
      ? .available(count: Int(count)) : .unavailable(reason: "no NVIDIA driver or no GPU was found")
  }()
}
