import CTorch

/// The number format of matrix products and convolutions. Weights, their updates, batch normalisation's
/// statistics, ``l2Normalized(_:dim:)`` and the loss are always float32.
public enum Precision: String, Codable, Sendable, CaseIterable {
  case float32
  /// Factors and results have 8 bits of mantissa; sums are kept in float32.
  case bfloat16
}

/// Runs `body` with matrix products and convolutions on `device` in `precision` (automatic mixed precision;
/// Micikevicius et al. 2018). The mode is per thread, so `body` is synchronous; the backward pass belongs
/// outside.
public func withPrecision<Result>(
  _ precision: Precision, on device: Device, _ body: () throws -> Result
) rethrows -> Result {
  var before = false
  check(ct_autocast_begin(device.c, precision == .bfloat16, &before))
  defer { check(ct_autocast_end(device.c, before)) }
  return try body()
}
