import CTorch

/// Bytes that batches are made in before they go to a device. Of no defined content at first.
public final class PinnedBuffer {
  public let bytes: UnsafeMutableRawBufferPointer
  /// Holds pinned memory; without it the memory is this object's own.
  private let pinned: Tensor?

  /// - Parameters:
  ///   - count: Bytes.
  ///   - device: Where the bytes will go. For a GPU they are pinned where that succeeds, so that it copies
  ///     them directly.
  public init(_ count: Int, for device: Device) {
    if case .cuda = device,
      let tensor = try? withTorchErrors({ produce { ct_tensor_pinned($0, Int64(count)) } })
    {
      bytes = UnsafeMutableRawBufferPointer(start: ct_tensor_data(tensor.handle), count: count)
      pinned = tensor
    } else {
      bytes = .allocate(byteCount: count, alignment: 64)
      pinned = nil
    }
  }

  deinit { if pinned == nil { bytes.deallocate() } }
}
