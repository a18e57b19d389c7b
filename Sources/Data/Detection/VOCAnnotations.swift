import Files

/// A file of VOC annotations: the size of the image and its objects. Parts of objects (heads, hands) are passed over.
struct VOCAnnotations: Sendable {
  struct Object: Sendable {
    var name = ""
    var isDifficult = false
    /// xmin, ymin, xmax, ymax as written; fewer where one is missing or no number.
    var corners: [Double] = []
  }

  private(set) var height = 0
  private(set) var width = 0
  private(set) var objects: [Object] = []

  /// - Throws: ``FileError``, ``XMLError`` and, for a file of another kind, ``DatasetError``.
  init(_ path: String) throws {
    let elements = try readXML(path, into: Elements())
    guard elements.isAnnotation else {
      throw DatasetError.badFile(
        reason: "\(path) has no VOC annotations: its outermost element is not `annotation`")
    }
    (height, width, objects) = (elements.height, elements.width, elements.objects)
  }

  private struct Elements: XMLElements {
    var isAnnotation = false
    var height = 0
    var width = 0
    var objects: [Object] = []
    private var edges: [String: Double] = [:]

    mutating func begin(_ path: String) {
      switch path {
      case "annotation": isAnnotation = true
      case "annotation/object":
        objects.append(Object())
        edges = [:]
      default: break
      }
    }

    mutating func end(_ path: String, text: String?) {
      guard let parts = path.split(separator: "/", maxSplits: 2).dropFirst().first else { return }
      switch parts {
      case "size": endSize(path, text)
      case "object": endObject(path, text)
      default: break
      }
    }

    private mutating func endSize(_ path: String, _ text: String?) {
      guard let text, let number = Double(text), number.isFinite, let side = Int(exactly: number.rounded())
      else {
        return
      }
      if path == "annotation/size/width" { width = side }
      if path == "annotation/size/height" { height = side }
    }

    private mutating func endObject(_ path: String, _ text: String?) {
      guard let last = objects.indices.last else { return }
      switch path {
      case "annotation/object/name": objects[last].name = text ?? ""
      case "annotation/object/difficult": objects[last].isDifficult = text == "1"
      case "annotation/object":
        objects[last].corners = ["xmin", "ymin", "xmax", "ymax"].compactMap { edges[$0] }
      case "annotation/object/bndbox/xmin", "annotation/object/bndbox/ymin", "annotation/object/bndbox/xmax",
        "annotation/object/bndbox/ymax":
        if let text, let number = Double(text) { edges[String(path.suffix(4))] = number }
      default: break
      }
    }
  }
}
