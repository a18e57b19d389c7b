import CTorch
import Foundation

/// Keys and values that all processes of a run see, over TCP (c10d's `TCPStore`).
///
/// One process is the server. Calls block, and also wait for one another: a thread that must not wait behind
/// another thread's ``value(of:)`` opens its own connection. Safe to use from any thread.
public final class KeyValueStore: @unchecked Sendable {  // c10d locks inside
  let handle: OpaquePointer
  /// The prefix of every key; it separates users that use one store one after the other.
  let prefix: String

  /// Connects, and tries again until `timeout` is over.
  /// - Parameters:
  ///   - host: Name or address of the server's machine.
  ///   - port: The server's port; 0 with `serves` takes a free one. If `host` is an IPv4 address, the server
  ///     answers there only, else at all of the machine's addresses.
  ///   - serves: Whether this process is the server.
  ///   - prefix: The prefix of every key.
  ///   - timeout: Of this and every later call.
  /// - Throws: ``TorchError`` if no server answers in time, or the port is taken.
  public init(host: String, port: UInt16, serves: Bool, prefix: String = "", timeout: Duration) throws {
    self.prefix = prefix
    handle = try withTorchErrors {
      var handle: OpaquePointer?
      check(ct_store_open(&handle, host, port, serves, timeout.milliseconds))
      guard let handle else { throw TorchError.unexplained }
      return handle
    }
  }

  deinit { ct_store_free(handle) }

  public var port: UInt16 { ct_store_port(handle) }

  public func set(_ key: String, _ value: String) throws {
    var value = value
    try withTorchErrors {
      value.withUTF8 { check(ct_store_set(handle, prefix + key, $0.baseAddress, $0.count)) }
    }
  }

  /// Waits until the key has a value.
  public func value(of key: String) throws -> String {
    try read { ct_store_get(handle, prefix + key, $0.baseAddress, $0.count, $1) }
  }

  /// Whether anything accepts connections at an address. Answers within about `timeout`.
  /// - Throws: ``TorchError`` if the host is not found.
  public static func isListening(host: String, port: UInt16, timeout: Duration) throws -> Bool {
    try withTorchErrors {
      var isListening = false
      check(ct_is_listening(&isListening, host, port, Int32(clamping: timeout.milliseconds)))
      return isListening
    }
  }

  /// Whether all keys have values now.
  public func hasValues(of keys: [String]) throws -> Bool {
    try withNames(keys) { names in
      var exist = false
      check(ct_store_has(&exist, handle, names.baseAddress, names.count))
      return exist
    }
  }

  /// Waits until all keys have values, and reads them in one request.
  public func values(of keys: [String]) throws -> [String] {
    var bytes = [UInt8](repeating: 0, count: 64 * keys.count)
    var lengths = [Int](repeating: 0, count: keys.count)
    try withNames(keys) { names in
      check(ct_store_get_all(handle, names.baseAddress, names.count, &bytes, bytes.count, &lengths))
    }
    precondition(lengths.reduce(0, +) <= bytes.count, "values of \(lengths) bytes, want 64 for each")
    var start = 0
    return lengths.map { length in
      defer { start += length }
      return String(decoding: bytes[start..<start + length], as: UTF8.self)
    }
  }

  /// The current value, without waiting; nil if there is none.
  public func valueNow(of key: String) throws -> String? {
    try hasValues(of: [key]) ? value(of: key) : nil
  }

  /// Sets the value of a key that has none. If several processes try, the first one wins; all get its value.
  public func compareAndSet(_ key: String, _ value: String) throws -> String {
    var value = value
    return try value.withUTF8 { own in
      try read {
        ct_store_settle(handle, prefix + key, own.baseAddress, own.count, $0.baseAddress, $0.count, $1)
      }
    }
  }

  private func withNames<Result>(
    _ keys: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result
  ) throws -> Result {
    let names = keys.map { strdup(prefix + $0) }
    defer { names.forEach { free($0) } }
    return try withTorchErrors { names.map { UnsafePointer($0) }.withUnsafeBufferPointer(body) }
  }

  private func read(
    _ body: (UnsafeMutableBufferPointer<UInt8>, UnsafeMutablePointer<Int>) -> ct_status
  ) throws -> String {
    try withTorchErrors {
      try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 65536) { buffer in
        var length = 0
        check(body(buffer, &length))
        if let error = TorchError.takeRecorded() { throw error }
        precondition(length <= buffer.count, "a value of \(length) bytes in a store of small ones")
        return String(decoding: UnsafeBufferPointer(rebasing: buffer.prefix(length)), as: UTF8.self)
      }
    }
  }
}

extension Duration {
  var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
