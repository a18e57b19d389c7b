import Images
import Torch

/// Scale, crop and flip of training.
///
/// Source: He et al. 2020 (MoCo), appendix: «random scaling (by a ratio in [0.5, 2.0]), cropping, and horizontal
/// flipping», crops of 513 (VOC) or 769 pixels (Cityscapes). The ratio is uniform and the same for both sides. What a
/// crop has too little of is added at the right and below, before the flip: the mean colour, and labels that are
/// ignored.
public struct SegmentationTransform: Sendable, Equatable, Codable {
  /// Both sides of the crop, in pixels.
  public let cropSize: Int
  public let scales: ClosedRange<Double>
  /// The chance that a crop is mirrored.
  public let flip: Double
  /// The colour beyond the image.
  public let fill: SIMD3<UInt8>

  /// - Parameter mean: Of red, green and blue, 0…255, rounded to ``fill``.
  public init(
    cropSize: Int, scales: ClosedRange<Double> = 0.5...2, flip: Double = 0.5,
    mean: [Double] = [123.675, 116.28, 103.53]
  ) {
    precondition(
      cropSize > 0 && scales.lowerBound > 0 && scales.upperBound.isFinite && (0...1).contains(flip),
      "a crop of \(cropSize), scales \(scales), a flip's chance of \(flip)")
    precondition(
      mean.count == 3 && mean.allSatisfy((0...255).contains), "a mean colour of \(mean); it is three levels")
    (self.cropSize, self.scales, self.flip) = (cropSize, scales, flip)
    fill = SIMD3(mean.map { UInt8($0.rounded()) })
  }

  /// Where a crop lies.
  package struct Geometry: Sendable, Equatable {
    /// Of the scaled image.
    package let height: Int
    package let width: Int
    /// In the scaled image, or 0 where that is smaller than the crop.
    package let top: Int
    package let left: Int
    package let isFlipped: Bool

    package init(height: Int, width: Int, top: Int, left: Int, isFlipped: Bool) {
      (self.height, self.width, self.top, self.left) = (height, width, top, left)
      self.isFlipped = isFlipped
    }
  }

  /// The draws for an image of `height` × `width` pixels: scale, flip, top, left. Sides are rounded to the nearest,
  /// halves up.
  package func draw(height: Int, width: Int, using generator: inout CounterGenerator) -> Geometry {
    let scale = generator.uniform(scales)
    let isFlipped = generator.chance(flip)
    func scaled(_ side: Int) -> Int { max(1, Int(Double(side) * scale + 0.5)) }
    let (h, w) = (scaled(height), scaled(width))
    return Geometry(
      height: h, width: w, top: generator.index(below: max(0, h - cropSize) + 1),
      left: generator.index(below: max(0, w - cropSize) + 1), isFlipped: isFlipped)
  }

  /// Writes the crop of an image: resized by Pillow's antialiased bilinear filter, labels by its NEAREST.
  ///
  /// - Parameters:
  ///   - pixels: The whole image, of the labels' size.
  ///   - image: cropSize × cropSize × 3 bytes.
  ///   - classes: cropSize × cropSize bytes.
  package func write(
    _ geometry: Geometry, of pixels: borrowing DecodedPixels, _ labels: LabelMap,
    image: UnsafeMutableRawBufferPointer, classes: UnsafeMutableRawBufferPointer
  ) throws {
    precondition(
      pixels.region == .whole(labels.width, labels.height) && pixels.width == labels.width
        && pixels.height == labels.height,
      "\(pixels.region) of an image of \(pixels.width) × \(pixels.height), and \(labels.width) × \(labels.height) labels"
    )
    precondition(
      image.count == cropSize * cropSize * 3 && classes.count == cropSize * cropSize,
      "\(image.count) and \(classes.count) bytes for a crop of \(cropSize)")
    let rows = geometry.top..<min(geometry.top + cropSize, geometry.height)
    let columns = geometry.left..<min(geometry.left + cropSize, geometry.width)
    // Mirrored, what was added at the right stands at the left.
    let start = geometry.isFlipped ? cropSize - columns.count : 0
    if rows.count < cropSize || columns.count < cropSize { pad(image, classes) }
    let box = PixelBox(
      pixels.bytes, height: pixels.height, width: pixels.width, rowBytes: pixels.rowBytes)
    try withTorchErrors {
      box.resize(
        height: geometry.height, width: geometry.width, rows: rows, columns: columns,
        isMirrored: geometry.isFlipped, into: UnsafeMutableRawBufferPointer(rebasing: image[(3 * start)...]),
        rowBytes: 3 * cropSize)
    }
    write(labels, geometry, rows, columns, start: start, to: classes)
  }

  private func pad(_ image: UnsafeMutableRawBufferPointer, _ classes: UnsafeMutableRawBufferPointer) {
    for place in 0..<cropSize * cropSize {
      image[3 * place] = fill.x
      image[3 * place + 1] = fill.y
      image[3 * place + 2] = fill.z
    }
    for place in 0..<cropSize * cropSize { classes[place] = LabelMap.ignored }
  }

  private func write(
    _ labels: LabelMap, _ geometry: Geometry, _ rows: Range<Int>, _ columns: Range<Int>, start: Int,
    to classes: UnsafeMutableRawBufferPointer
  ) {
    let fromRows = nearestPlaces(geometry.height, of: labels.height, in: rows)
    var fromColumns = nearestPlaces(geometry.width, of: labels.width, in: columns)
    if geometry.isFlipped { fromColumns.reverse() }
    labels.labels.withUnsafeBufferPointer { from in
      for (y, row) in fromRows.enumerated() {
        var place = y * cropSize + start
        for column in fromColumns {
          classes[place] = row < 0 || column < 0 ? LabelMap.ignored : from[row * labels.width + column]
          place += 1
        }
      }
    }
  }
}
