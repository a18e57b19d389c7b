import CTorch

/// An n-dimensional array in a device's memory: a LibTorch tensor.
///
/// Its memory is freed with the last reference. A tensor belongs to the thread that made it: pass bytes to
/// another thread, not tensors.
public final class Tensor {
  let handle: OpaquePointer

  /// Takes ownership of the handle. Nil (a failed operation inside ``withTorchErrors(_:)``) gives an
  /// undefined tensor.
  init(owning handle: OpaquePointer?) {
    self.handle = handle ?? Tensor.undefinedHandle()
  }

  deinit { ct_tensor_free(handle) }

  private static func undefinedHandle() -> OpaquePointer {
    var handle: OpaquePointer?
    ct_tensor_undefined(&handle)
    guard let handle else { fatalError("no memory left for a tensor handle") }
    return handle
  }

  /// The number of live tensor handles in this process; a leak test compares it before and after.
  public static var liveCount: Int { Int(ct_tensor_count()) }

  /// False for the result of an operation that failed inside ``withTorchErrors(_:)``.
  public var isDefined: Bool { ct_tensor_defined(handle) }

  /// Sizes, outermost first; empty for a scalar.
  public var shape: [Int] {
    sizes { ct_tensor_shape(handle, $0) }
  }

  /// Steps between neighbours of each dimension, in elements.
  public var strides: [Int] {
    sizes { ct_tensor_strides(handle, $0) }
  }

  private func sizes(_ fill: (UnsafeMutablePointer<Int64>) -> Void) -> [Int] {
    let rank = ct_tensor_rank(handle)
    guard rank > 0 else { return [] }
    return withUnsafeTemporaryAllocation(of: Int64.self, capacity: rank) { buffer in
      buffer.initialize(repeating: 0)
      if let base = buffer.baseAddress { fill(base) }
      return buffer.map { Int($0) }
    }
  }

  public var rank: Int { ct_tensor_rank(handle) }
  public var count: Int { shape.reduce(1, *) }
  public var dtype: DType { DType(ct_tensor_dtype(handle)) }
  public var device: Device { Device(ct_tensor_device(handle)) }

  public func isContiguous(_ layout: MemoryLayout4D = .contiguous) -> Bool {
    ct_tensor_is_contiguous(handle, layout.c)
  }

  /// Traps unless the shape fits; `nil` allows any size. An undefined tensor passes, because the error to
  /// report is the failure that made it.
  public func expect(_ expected: [Int?], _ what: @autoclosure () -> String) {
    guard isDefined else { return }
    let shape = self.shape
    let fits = shape.count == expected.count && zip(shape, expected).allSatisfy { $1 == nil || $0 == $1 }
    precondition(
      fits,
      "\(what()): shape \(shape), expected [\(expected.map { $0.map(String.init) ?? "any" }.joined(separator: ", "))]"
    )
  }
}

// MARK: - Making

extension Tensor {
  /// A copy of `values` in row-major order.
  public convenience init<Element: TensorElement>(_ values: [Element], shape: [Int], on device: Device = .cpu)
  {
    precondition(
      values.count == shape.reduce(1, *), "\(values.count) values do not fill the shape \(shape)")
    let made = values.withUnsafeBytes { Tensor(copying: $0, dtype: Element.dtype, shape: shape) }
    let moved = device == .cpu ? made : made.to(device)
    self.init(owning: moved.alias())
  }

  public convenience init<Element: TensorElement>(_ values: [Element], on device: Device = .cpu) {
    self.init(values, shape: [values.count], on: device)
  }

  /// A copy of raw bytes in row-major order.
  public convenience init(copying bytes: UnsafeRawBufferPointer, dtype: DType, shape: [Int]) {
    precondition(
      bytes.count == shape.reduce(1, *) * dtype.size,
      "\(bytes.count) bytes do not fill the shape \(shape) of \(dtype)")
    var handle: OpaquePointer?
    withInt64(shape) { pointer, count in
      check(ct_tensor_from_bytes(&handle, bytes.baseAddress, dtype.c, pointer, count))
    }
    self.init(owning: handle)
  }

  /// Runs `body` with a tensor over memory with another owner; the tensor must not leave `body`.
  public static func withBorrowed<Result>(
    _ bytes: UnsafeMutableRawBufferPointer, dtype: DType, shape: [Int], _ body: (Tensor) throws -> Result
  ) rethrows -> Result {
    precondition(
      bytes.count == shape.reduce(1, *) * dtype.size,
      "\(bytes.count) bytes do not fill the shape \(shape) of \(dtype)")
    let tensor = withInt64(shape) { pointer, count in
      produce { ct_tensor_borrowing($0, bytes.baseAddress, dtype.c, pointer, count) }
    }
    return try body(tensor)
  }

  public static func full(
    _ value: Double, _ shape: [Int], dtype: DType = .float32, on device: Device = .cpu
  ) -> Tensor {
    withInt64(shape) { pointer, count in
      produce { ct_tensor_full($0, value, dtype.c, device.c, pointer, count) }
    }
  }

  /// Uninitialised memory, to be overwritten.
  public static func uninitialized(
    _ shape: [Int], dtype: DType = .float32, on device: Device = .cpu
  ) -> Tensor {
    withInt64(shape) { pointer, count in
      produce { ct_tensor_empty($0, dtype.c, device.c, pointer, count) }
    }
  }

  public static func zeros(_ shape: [Int], dtype: DType = .float32, on device: Device = .cpu) -> Tensor {
    full(0, shape, dtype: dtype, on: device)
  }

  public static func ones(_ shape: [Int], dtype: DType = .float32, on device: Device = .cpu) -> Tensor {
    full(1, shape, dtype: dtype, on: device)
  }

  /// 0, 1, … `end` − 1.
  public static func arange(_ end: Int, dtype: DType = .int64, on device: Device = .cpu) -> Tensor {
    produce { ct_tensor_arange($0, Int64(end), dtype.c, device.c) }
  }

  /// Draws from N(mean, deviation²).
  public static func normal(
    _ shape: [Int], mean: Double = 0, deviation: Double = 1, dtype: DType = .float32,
    using generator: Generator
  ) -> Tensor {
    guard let source = generator.handle else { return shapeOnly(shape, dtype: dtype) }
    let tensor = zeros(shape, dtype: dtype)
    check(ct_normal_(tensor.handle, mean, deviation, source))
    return tensor
  }

  /// Draws from U(low, high).
  public static func uniform(
    _ shape: [Int], low: Double = 0, high: Double = 1, dtype: DType = .float32, using generator: Generator
  ) -> Tensor {
    guard let source = generator.handle else { return shapeOnly(shape, dtype: dtype) }
    let tensor = zeros(shape, dtype: dtype)
    check(ct_uniform_(tensor.handle, low, high, source))
    return tensor
  }

  /// Zeros of a shape, in the memory of one.
  package static func shapeOnly(_ shape: [Int], dtype: DType = .float32) -> Tensor {
    zeros([], dtype: dtype).expanded(shape)
  }

  /// 1 as int64, for counters.
  static var one: Tensor { full(1, [], dtype: .int64) }

  func alias() -> OpaquePointer? {
    var out: OpaquePointer?
    check(ct_alias(&out, handle))
    return out
  }
}

// MARK: - Reading

extension Tensor {
  /// The one element of a scalar, as a Double. On a GPU this waits for the device.
  public func item() -> Double {
    var value = Double.nan
    check(ct_tensor_item(&value, handle))
    return value
  }

  /// All elements in row-major order. On a GPU this waits for the device.
  public func array<Element: TensorElement>(of type: Element.Type = Element.self) -> [Element] {
    to(Element.dtype).withUnsafeBytes { bytes in Array(bytes.bindMemory(to: Element.self)) }
  }

  /// The elements' bytes in row-major order.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    let here = to(.cpu).contiguous()
    guard here.isDefined else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    let count = here.count * here.dtype.size
    let start = count > 0 ? ct_tensor_data(here.handle) : nil
    return try withExtendedLifetime(here) { try body(UnsafeRawBufferPointer(start: start, count: count)) }
  }
}

/// Passes sizes to C.
@inline(__always)
func withInt64<Result>(_ values: [Int], _ body: (UnsafePointer<Int64>?, Int) throws -> Result) rethrows
  -> Result
{
  try withUnsafeTemporaryAllocation(of: Int64.self, capacity: values.count) { buffer in
    for (index, value) in values.enumerated() { buffer.initializeElement(at: index, to: Int64(value)) }
    return try body(UnsafePointer(buffer.baseAddress), values.count)
  }
}

/// Passes a list of handles to C.
func withHandles<Result>(
  _ tensors: [Tensor], _ body: (UnsafePointer<OpaquePointer?>?, Int) throws -> Result
) rethrows -> Result {
  let handles = tensors.map { Optional($0.handle) }
  return try withExtendedLifetime(tensors) {
    try handles.withUnsafeBufferPointer { try body($0.baseAddress, $0.count) }
  }
}
