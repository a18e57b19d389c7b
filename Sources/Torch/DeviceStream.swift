import CTorch

/// A queue of work of a device, done in order beside that of other streams. A CPU has but one, and its work is done when
/// it is asked for: there all of this does nothing.
public final class DeviceStream {
  let handle: OpaquePointer?

  /// - Parameter isUrgent: Whether its work goes first where other streams' work waits too.
  public convenience init(on device: Device, isUrgent: Bool = false) {
    var handle: OpaquePointer?
    check(ct_stream_new(&handle, device.c, isUrgent))
    self.init(owning: handle)
  }

  private init(owning handle: OpaquePointer?) { self.handle = handle }

  deinit { ct_stream_free(handle) }

  /// The one that this thread's operations on `device` go to.
  public static func current(on device: Device) -> DeviceStream {
    var handle: OpaquePointer?
    check(ct_stream_current(&handle, device.c))
    return DeviceStream(owning: handle)
  }

  /// From here on this thread's operations on its device go to it.
  public func setCurrent() { check(ct_stream_enter(handle)) }

  /// Runs `body` with this thread's operations on `device`, the stream's, going to it.
  public func run<Result>(on device: Device, _ body: () throws -> Result) rethrows -> Result {
    let before = DeviceStream.current(on: device)
    setCurrent()
    defer { before.setCurrent() }
    return try body()
  }

  /// What it is asked for from here on begins after what `other` has been asked for so far.
  public func wait(for other: DeviceStream) { check(ct_stream_follow(handle, other.handle)) }

  /// Waits until all that it was asked for is done.
  /// - Parameter timeout: An operation that takes longer has failed.
  public func wait(timeout: Duration? = nil) { check(ct_stream_wait(handle, timeout?.milliseconds ?? -1)) }

  /// Keeps the memory of `x`, which was made on another stream, until what this one does with it is done.
  public func recordStream(_ x: Tensor) { check(ct_stream_uses(handle, x.handle)) }
}
