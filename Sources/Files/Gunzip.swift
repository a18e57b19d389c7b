import CArchives
import Foundation

/// Why a gzip file could not be unpacked.
public enum GzipError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
  case truncated
  case corrupt(detail: String)
  case overLimit(limit: Int)
  case outOfMemory

  public var description: String {
    switch self {
    case .truncated: "the gzip file ends too early; fetch or copy it again"
    case .corrupt(let detail): "the gzip file is damaged (\(detail)); fetch or copy it again"
    case .overLimit(let limit):
      "the gzip file unpacks to more than the limit of \(short(Double(limit))) bytes"
    case .outOfMemory: "not enough memory to unpack the gzip file"
    }
  }

  public var errorDescription: String? { description }
}

/// Unpacks a gzip file, all its members one after the other, and checks their checksums.
///
/// - Parameters:
///   - data: The packed bytes.
///   - limit: the most bytes that may come out. Memory grows with the output and not beyond this.
public func gunzip(_ data: Data, limit: Int) throws(GzipError) -> Data {
  precondition(limit >= 0, "a limit of \(limit) bytes")
  var message = ca_zlib_message()
  var plain = ca_zlib_buffer()
  let status = data.withUnsafeBytes { ca_gunzip($0.baseAddress, $0.count, limit, &plain, &message) }
  switch status {
  case .ok: return Data(adopting: plain)
  case .truncated: throw .truncated
  case .overOutput: throw .overLimit(limit: limit)
  case .outOfMemory: throw .outOfMemory
  default: throw .corrupt(detail: message.string)
  }
}

/// CRC-32 (IEEE 802.3, as in PNG, gzip and zip) of all the bytes.
public func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  ca_crc32(0, bytes.baseAddress, bytes.count)
}

extension Data {
  /// Takes over memory from malloc without a copy.
  fileprivate init(adopting buffer: ca_zlib_buffer) {
    guard let bytes = buffer.bytes else {
      self.init()
      return
    }
    self.init(bytesNoCopy: bytes, count: buffer.count, deallocator: .free)
  }
}

extension ca_zlib_message {
  fileprivate var string: String {
    withUnsafeBytes(of: text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
