/// A picture in memory of another owner: H × W × 3 bytes.
package struct PixelBuffer {
  package let height: Int
  package let width: Int
  let bytes: UnsafeMutableBufferPointer<UInt8>

  package init(_ bytes: UnsafeMutableRawBufferPointer, height: Int, width: Int) {
    precondition(
      height > 0 && width > 0 && bytes.count == height * width * 3,
      "\(bytes.count) bytes for \(height) × \(width) pixels")
    (self.height, self.width) = (height, width)
    self.bytes = bytes.bindMemory(to: UInt8.self)
  }

  var pixels: Int { height * width }

  /// Every level by one table, whatever its channel.
  func map(_ level: (UInt8) -> UInt8) {
    let table = (0...255).map { level(UInt8($0)) }
    table.withUnsafeBufferPointer { table in
      for place in bytes.indices { bytes[place] = table[Int(bytes[place])] }
    }
  }

  /// Each channel's levels by its own table, which follows from the numbers of pixels of each level.
  func mapChannels(_ makeTable: (_ histogram: [Int]) -> [UInt8]?) {
    for channel in 0..<3 {
      var histogram = [Int](repeating: 0, count: 256)
      for pixel in 0..<pixels { histogram[Int(bytes[3 * pixel + channel])] += 1 }
      guard let table = makeTable(histogram) else { continue }
      precondition(table.count == 256, "\(table.count) entries of a table of levels")
      for pixel in 0..<pixels {
        let place = 3 * pixel + channel
        bytes[place] = table[Int(bytes[place])]
      }
    }
  }

  /// Pillow's `ImageOps.autocontrast`: a channel's lowest level becomes 0, its highest 255.
  func autoContrast() {
    mapChannels { histogram in
      guard let low = histogram.firstIndex(where: { $0 > 0 }),
        let high = histogram.lastIndex(where: { $0 > 0 }), high > low
      else { return nil }
      let scale = 255 / Double(high - low)
      let offset = -Double(low) * scale
      return (0...255).map { UInt8(min(max(Int(Double($0) * scale + offset), 0), 255)) }
    }
  }

  /// Pillow's `ImageOps.equalize`: levels by how many pixels of the channel are darker.
  func equalize() {
    mapChannels { histogram in
      guard histogram.count(where: { $0 > 0 }) > 1, let last = histogram.last(where: { $0 > 0 }) else {
        return nil
      }
      let step = (histogram.reduce(0, +) - last) / 255
      guard step > 0 else { return nil }
      var below = step / 2
      return histogram.map { count in
        defer { below += count }
        return UInt8(min(255, below / step))
      }
    }
  }
}
