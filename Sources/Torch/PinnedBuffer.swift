import CTorch

/// Memory in which batches are made before they go to a device. Its content is undefined at first.
public final class PinnedBuffer {
  public let bytes: UnsafeMutableRawBufferPointer
  /// The pinned memory; if nil, the memory is allocated by this object.
  private let pinned: Tensor?

  /// - Parameters:
  ///   - count: Bytes.
  ///   - device: The device the bytes go to. For a GPU they are pinned if that succeeds, so that it copies
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
