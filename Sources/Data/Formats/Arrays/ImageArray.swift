import Files
import Images

/// Images of one size in an array of bytes, which is in memory or, where the file does not pack it, stays there.
struct ImageArray: Sendable {
  /// The order of an image's bytes: how far it is from one row, column or channel to the next.
  struct Steps: Sendable, Equatable {
    var row: Int
    var column: Int
    var channel: Int
  }

  let count: Int
  let width: Int
  let height: Int
  /// 1 for gray, 3 for red, green and blue.
  let channels: Int
  private let steps: Steps
  /// From one image to the next: its bytes, or 1 where the number of the image moves fastest.
  private let imageStep: Int
  private let storage: NumberArray.Storage

  static let largestSide = 1 << 15

  /// An array of `count` images, each in one piece: byte by byte `width` × `height` × `channels` of them.
  init(
    count: Int, width: Int, height: Int, channels: Int, steps: Steps, storage: NumberArray.Storage
  ) {
    (self.count, self.width, self.height, self.channels) = (count, width, height, channels)
    (self.steps, self.storage) = (steps, storage)
    imageStep = width * height * channels
    if case .memory(let bytes) = storage {
      precondition(
        bytes.count == count * imageStep, "\(bytes.count) bytes for \(count) images of \(imageStep)")
    }
  }

  /// An array N×H×W or N×H×W×C of numpy.
  ///
  /// - Throws: ``DatasetError`` for arrays of other shapes and elements, and for sizes that no image has.
  init(numpy array: NumberArray, path: String) throws(DatasetError) {
    func refuse(_ what: String) -> DatasetError { .badFile(reason: "\(path): \(array.name) \(what)") }
    let shape = array.shape
    guard array.type == .uint8 else {
      throw refuse(
        "holds \(array.type), and images are read as uint8; save them as (x * 255).astype('uint8') or the like"
      )
    }
    guard shape.count == 3 || (shape.count == 4 && [1, 3].contains(shape[3])) else {
      throw refuse(
        "has the shape \(text(shape)), and images are N x height x width, gray, or N x height x width x 3"
          + (shape.count == 4 && shape[1] == shape[3] ? "; volumes are not read" : ""))
    }
    let channels = shape.count == 4 ? shape[3] : 1
    let (count, height, width) = (shape[0], shape[1], shape[2])
    guard (1...Self.largestSide).contains(height), (1...Self.largestSide).contains(width) else {
      throw refuse("has images of \(width) x \(height) pixels")
    }
    (self.count, self.width, self.height, self.channels) = (count, width, height, channels)
    storage = array.storage
    if case .memory(let bytes) = storage {
      precondition(bytes.count == array.count, "\(bytes.count) bytes for the shape \(shape)")
    }
    if array.isColumnMajor {
      steps = Steps(row: count, column: count * height, channel: count * height * width)
      imageStep = 1
      guard case .memory = array.storage else {
        throw refuse("is stored column by column; save it with numpy.ascontiguousarray")
      }
    } else {
      steps = Steps(row: width * channels, column: channels, channel: 1)
      imageStep = width * height * channels
    }
  }

  /// Image `index`; gray in all three channels. Traps outside `0..<count`.
  ///
  /// - Throws: ``ImageError`` where the file cannot be read.
  func image(_ index: Int) throws(ImageError) -> RGBImage {
    precondition(index >= 0 && index < count, "image \(index) of \(count)")
    switch storage {
    case .memory(let bytes): return bytes.withUnsafeBufferPointer { image(in: $0, from: index * imageStep) }
    case .file(let reader, let start):
      let first = start + index * imageStep
      let bytes: [UInt8]
      do { bytes = try reader.bytes(first..<first + imageStep) } catch {
        throw .unavailable(reason: (error as? FileError)?.reason ?? "\(error)")
      }
      return bytes.withUnsafeBufferPointer { image(in: $0, from: 0) }
    }
  }

  private func image(in bytes: UnsafeBufferPointer<UInt8>, from first: Int) -> RGBImage {
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { out, filled in
      for row in 0..<height {
        for column in 0..<width {
          let place = first + row * steps.row + column * steps.column
          for channel in 0..<3 {
            out[filled] = bytes[channels == 1 ? place : place + channel * steps.channel]
            filled += 1
          }
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}

/// A shape as numpy writes it.
func text(_ shape: [Int]) -> String {
  "(" + shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? ",)" : ")")
}

/// Images of arrays, one array after the other.
struct ArraySamples: PixelSource {
  struct Part: Sendable {
    /// The file, or the array in it: names are made of it.
    var name: String
    var images: ImageArray
    /// One for each image, or empty.
    var labels: [Int32]
  }

  private let parts: [Part]
  /// Where each part begins.
  private let starts: [Int]
  let count: Int

  init(_ parts: [Part]) {
    var total = 0
    var starts: [Int] = []
    for part in parts {
      precondition(
        part.labels.isEmpty || part.labels.count == part.images.count,
        "\(part.labels.count) labels for \(part.images.count) images")
      starts.append(total)
      total += part.images.count
    }
    (self.parts, self.starts, count) = (parts, starts, total)
  }

  func annotation(_ index: Int) -> Annotation {
    let (part, image) = place(index)
    return parts[part].labels.isEmpty ? .none : .class(Int(parts[part].labels[image]))
  }

  func name(_ index: Int) -> String {
    let (part, image) = place(index)
    return "\(parts[part].name)#\(image)"
  }

  func image(_ index: Int) throws -> RGBImage {
    let (part, image) = place(index)
    return try parts[part].images.image(image)
  }

  private func place(_ index: Int) -> (part: Int, image: Int) {
    precondition(index >= 0 && index < count, "image \(index) of \(count)")
    let part = starts.lastIndex { $0 <= index } ?? 0
    return (part, index - starts[part])
  }
}
