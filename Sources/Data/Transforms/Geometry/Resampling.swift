import Files
import Images
import Torch

// Pixels to the image size, by Pillow's antialiased filters. All of it runs on bytes in the thread that
// calls it.

/// The memory of one loading thread, used again for every image.
package final class ViewScratch {
  package let decode = DecodeScratch()
  /// The geometries of the image at hand.
  package var geometries: [CropBox] = []
  /// The operations on the bytes of its views.
  package var operations: [[PixelOperation]] = []
  fileprivate var crop = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 64)

  package init() {}

  deinit { crop.deallocate() }

  fileprivate func cropMemory(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if crop.count < count {
      crop.deallocate()
      crop = .allocate(byteCount: count + count / 4, alignment: 64)
    }
    return UnsafeMutableRawBufferPointer(rebasing: crop[..<count])
  }
}

extension DecodedPixels {
  /// Writes a view to `out`, H·W·3 bytes. A box of its size is copied as it is.
  package func write(
    _ geometry: CropBox, _ shape: ViewShape, to out: UnsafeMutableRawBufferPointer
  ) throws {
    let box = geometry.box
    if box.height == shape.height, box.width == shape.width, !geometry.isFlipped { return copy(box, to: out) }
    try withTorchErrors {
      PixelBox(
        UnsafeRawBufferPointer(rebasing: rows(of: box)), height: box.height, width: box.width,
        rowBytes: rowBytes
      ).resize(height: shape.height, width: shape.width, isMirrored: geometry.isFlipped, into: out)
    }
  }

  /// The same with another filter.
  package func write(
    _ geometry: CropBox, _ shape: ViewShape, by filter: Interpolation,
    to out: UnsafeMutableRawBufferPointer, using scratch: ViewScratch
  ) throws {
    let box = geometry.box
    let hasSize = box.height == shape.height && box.width == shape.width
    guard filter != .bilinear, !hasSize || geometry.isFlipped else {
      return try write(geometry, shape, to: out)
    }
    try withTensor(of: box, using: scratch) { pixels in
      let view = resized(pixels, height: shape.height, width: shape.width, by: filter)
      return geometry.isFlipped ? view.flipped(dim: 3) : view
    } store: {
      out.copyMemory(from: $0)
    }
  }

  /// Writes the picture for evaluation.
  package func writeForEvaluation(
    _ view: EvaluationView, to out: UnsafeMutableRawBufferPointer, using scratch: ViewScratch
  ) throws {
    let (size, filter) = (view.size, view.interpolation)
    switch view.resizing {
    case nil where width == size && height == size: copy(.whole(width, height), to: out)
    case .squash:
      try withTensor(of: evaluationRegion(width, height), using: scratch) { pixels in
        resized(pixels, height: size, width: size, by: filter)
      } store: {
        out.copyMemory(from: $0)
      }
    case let resizing:
      let shortSide = resizing?.shortSide(of: size) ?? evaluationShortSide(size)
      try writeCenter(shortSide: shortSide, size: size, by: filter, to: out, using: scratch)
    }
  }

  /// torchvision's `Resize(shortSide)` and `CenterCrop(size)`.
  package func writeCenter(
    shortSide: Int, size: Int, by filter: Interpolation = .bilinear, to out: UnsafeMutableRawBufferPointer,
    using scratch: ViewScratch
  ) throws {
    precondition(shortSide >= size, "a crop of \(size) from a short side of \(shortSide)")
    let box = evaluationRegion(width, height)
    let short = min(box.width, box.height)
    let height = box.height == short ? shortSide : shortSide * box.height / short
    let width = box.width == short ? shortSide : shortSide * box.width / short
    func middle(_ length: Int) -> Range<Int> {
      let start = Int((Double(length - size) / 2).rounded(.toNearestOrEven))
      return start..<start + size
    }
    try withTensor(of: box, using: scratch) { pixels in
      resized(pixels, height: height, width: width, by: filter)
        .narrowed(middle(height), dim: 2).narrowed(middle(width), dim: 3)
    } store: {
      out.copyMemory(from: $0)
    }
  }

  /// Runs `transform` on the box as a 1×3×h×w uint8 tensor, channels last, and `store` on the result's bytes.
  private func withTensor(
    of box: PixelRegion, using scratch: ViewScratch, _ transform: (Tensor) -> Tensor,
    store: (UnsafeRawBufferPointer) -> Void
  ) throws {
    func run(_ bytes: UnsafeMutableRawBufferPointer) throws {
      try withTorchErrors {
        Tensor.withBorrowed(bytes, dtype: .uint8, shape: [1, box.height, box.width, 3]) { pixels in
          let result = transform(pixels.permuted([0, 3, 1, 2])).permuted([0, 2, 3, 1])
          if result.isDefined { result.withUnsafeBytes(store) }
        }
      }
    }
    if box.width * 3 == rowBytes {
      // Whole rows lie together. They are only read.
      try run(UnsafeMutableRawBufferPointer(mutating: UnsafeRawBufferPointer(rebasing: rows(of: box))))
    } else {
      // Gathered here, because the resampler would otherwise do it pixel by pixel.
      let gathered = scratch.cropMemory(box.height * box.width * 3)
      copy(box, to: gathered)
      try run(gathered)
    }
  }

  /// From the box's first byte to its last.
  private func rows(of box: PixelRegion) -> Slice<UnsafeRawBufferPointer> {
    let (x, y) = (box.left - region.left, box.top - region.top)
    precondition(
      x >= 0 && y >= 0 && x + box.width <= region.width && y + box.height <= region.height,
      "\(box) of an image of which \(region) is there")
    let start = y * rowBytes + x * 3
    return bytes[start..<start + (box.height - 1) * rowBytes + box.width * 3]
  }

  /// The box's rows, one after the other.
  private func copy(_ box: PixelRegion, to out: UnsafeMutableRawBufferPointer) {
    let row = box.width * 3
    precondition(out.count == box.height * row, "\(out.count) bytes for \(box.height) x \(box.width) x 3")
    let source = UnsafeRawBufferPointer(rebasing: rows(of: box))
    guard let from = source.baseAddress, let to = out.baseAddress else { return }
    for y in 0..<box.height { (to + y * row).copyMemory(from: from + y * rowBytes, byteCount: row) }
  }
}

/// The part of an image that evaluation uses: all of it, but of a strip only the middle, eight times as long as it is
/// wide. Resized as a whole, a strip of one pixel would take gigabytes.
package func evaluationRegion(_ width: Int, _ height: Int) -> PixelRegion {
  let (w, h) = (min(width, height * 8), min(height, width * 8))
  return PixelRegion(left: (width - w) / 2, top: (height - h) / 2, width: w, height: h)
}

private func resized(_ pixels: Tensor, height: Int, width: Int, by filter: Interpolation) -> Tensor {
  switch filter {
  case .bilinear: resizedBilinear(pixels, height: height, width: width)
  case .bicubic: resizedBicubic(pixels, height: height, width: width)
  }
}

extension RGBImage {
  /// The picture for evaluation.
  package func evaluationView(_ view: EvaluationView) throws -> RGBImage {
    var pixels = [UInt8](repeating: 0, count: view.size * view.size * 3)
    try pixels.withUnsafeMutableBytes { out in
      try withPixels { try $0.writeForEvaluation(view, to: out, using: ViewScratch()) }
    }
    return RGBImage(width: view.size, height: view.size, pixels: pixels)
  }

  /// The same by the standard resizing.
  package func evaluationView(size: Int) throws -> RGBImage { try evaluationView(EvaluationView(size: size)) }
}
