import CTorch

/// A queue of work on a device: in order within a stream, concurrent with other streams. A CPU has only one
/// stream and works synchronously, so all of this does nothing there.
public final class DeviceStream {
  let handle: OpaquePointer?

  /// - Parameter isUrgent: Whether its work goes before the waiting work of other streams.
  public convenience init(on device: Device, isUrgent: Bool = false) {
    var handle: OpaquePointer?
    check(ct_stream_new(&handle, device.c, isUrgent))
    self.init(owning: handle)
  }

  private init(owning handle: OpaquePointer?) { self.handle = handle }

  deinit { ct_stream_free(handle) }

  /// The stream that this thread's operations on `device` use.
  public static func current(on device: Device) -> DeviceStream {
    var handle: OpaquePointer?
    check(ct_stream_current(&handle, device.c))
    return DeviceStream(owning: handle)
  }

  /// Makes this thread's operations on the stream's device use this stream from now on.
  public func setCurrent() { check(ct_stream_enter(handle)) }

  /// Runs `body` with this stream as the current stream of this thread. `device` must be the stream's device.
  public func run<Result>(on device: Device, _ body: () throws -> Result) rethrows -> Result {
    let before = DeviceStream.current(on: device)
    setCurrent()
    defer { before.setCurrent() }
    return try body()
  }

  /// Later work in this stream starts after all work that is in `other` now.
  public func wait(for other: DeviceStream) { check(ct_stream_follow(handle, other.handle)) }

  /// Waits until all work in this stream is done.
  /// - Parameter timeout: The wait fails if it takes longer.
  public func wait(timeout: Duration? = nil) { check(ct_stream_wait(handle, timeout?.milliseconds ?? -1)) }

  /// Keeps the memory of `x`, which was made on another stream, until this stream's work on it is done.
  public func recordStream(_ x: Tensor) { check(ct_stream_uses(handle, x.handle)) }
}
