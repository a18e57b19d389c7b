import CXML

/// Limits on an XML file. The defaults are hundreds of times what annotations of an image need.
package struct XMLLimits: Sendable {
  /// The size of a file, which is read as a whole.
  package var bytes = 16 << 20
  /// Elements within each other.
  package var depth = 64
  package var elements = 1_000_000
  /// Bytes of a name or of an element's text.
  package var text = 1 << 16

  package init() {}
}

/// Why an XML file was not read: the fault, its place and the fix.
package struct XMLError: Error, Equatable, CustomStringConvertible {
  package let path: String
  package let line: Int
  package let detail: String

  package var description: String { "\(path), line \(line): \(detail)" }
}

/// Takes the elements of an XML file. A path has the names of all elements around it: `annotation/object/name`.
package protocol XMLElements {
  mutating func begin(_ path: String)
  /// - Parameter text: Without white space at its ends; nil for an element that has others in it.
  mutating func end(_ path: String, text: String?)
}

/// Reads a whole XML file in memory that ``XMLLimits`` bound. Entities are refused, and no other file is read.
///
/// - Throws: ``FileError``, ``XMLError``.
package func readXML<Elements: XMLElements>(
  _ path: String, into elements: Elements, limits: XMLLimits = XMLLimits()
) throws -> Elements {
  let file = try FileReader(path)
  guard file.count <= limits.bytes else {
    throw XMLError(
      path: path, line: 1,
      detail: "the file has \(short(Double(file.count))) bytes, over the limit of "
        + "\(short(Double(limits.bytes))); keep the annotations of each image in a file of its own")
  }
  let run = XMLRun(elements)
  var fault = cx_fault()
  let status = try file.withBytes(0..<file.count) { run.parse($0, limits, &fault) }
  if status != .ok {
    throw XMLError(path: path, line: Int(clamping: fault.line), detail: text(of: status, fault, limits))
  }
  guard let filled = run.elements as? Elements else { preconditionFailure("other elements came back") }
  return filled
}

/// The elements around the place that is read.
private final class XMLRun {
  var elements: any XMLElements
  private var path = ""
  /// The lengths of the paths around it, in bytes.
  private var lengths: [Int] = []

  init(_ elements: any XMLElements) { self.elements = elements }

  func parse(_ bytes: UnsafeRawBufferPointer, _ limits: XMLLimits, _ fault: inout cx_fault) -> cx_status {
    var bounds = cx_limits(depth: limits.depth, elements: limits.elements, text: limits.text)
    var handlers = cx_handlers(
      context: Unmanaged.passUnretained(self).toOpaque(),
      begin: { context, name in
        guard let context, let name else { return }
        Unmanaged<XMLRun>.fromOpaque(context).takeUnretainedValue().begin(String(cString: name))
      },
      end: { context, text, count in
        guard let context else { return }
        let bytes = text.map { UnsafeRawBufferPointer(start: $0, count: count) }
        Unmanaged<XMLRun>.fromOpaque(context).takeUnretainedValue().end(bytes)
      })
    return withExtendedLifetime(self) {
      cx_parse(bytes.baseAddress, bytes.count, &bounds, &handlers, &fault)
    }
  }

  private func begin(_ name: String) {
    lengths.append(path.utf8.count)
    path += path.isEmpty ? name : "/" + name
    elements.begin(path)
  }

  private func end(_ text: UnsafeRawBufferPointer?) {
    let trimmed = text.map { String(decoding: $0, as: UTF8.self).trimmed }
    elements.end(path, text: trimmed)
    path = String(decoding: path.utf8.prefix(lengths.removeLast()), as: UTF8.self)
  }
}

extension String {
  /// Without white space at its ends.
  fileprivate var trimmed: String {
    let from = drop(while: \.isWhitespace)
    guard let last = from.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(from[...last])
  }
}

private func text(of status: cx_status, _ fault: cx_fault, _ limits: XMLLimits) -> String {
  switch status {
  case .ok: ""
  case .malformed:
    "no well-formed XML (\(withUnsafeBytes(of: fault.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })); "
      + "fetch or write it again"
  case .entities: "it declares entities, which annotations do not need and which are not read; take them out"
  case .tooDeep: "more than \(grouped(limits.depth)) elements within each other; it is no file of annotations"
  case .tooMany:
    "more than \(grouped(limits.elements)) elements; keep the annotations of each image in a file of its own"
  case .tooLong: "a name or a text of more than \(grouped(limits.text)) bytes; it is no file of annotations"
  case .outOfMemory: "not enough memory to read it"
  }
}
