import Images
import Torch

// Pixels to the image size, by Pillow's antialiased bilinear filter. All of it runs on bytes in the thread that
// calls it.

extension RGBImage {
  /// Writes a `size` × `size` view to `out`, size·size·3 bytes. A box of that size is copied as it is.
  func write(_ geometry: ViewGeometry, size: Int, to out: UnsafeMutableRawBufferPointer) throws {
    let box = geometry.box
    if box.height == size, box.width == size, !geometry.isFlipped {
      copy(box, to: out)
      return
    }
    try withPixels(of: box) { pixels in
      let sized =
        box.height == size && box.width == size ? pixels : resizedBilinear(pixels, height: size, width: size)
      return geometry.isFlipped ? sized.flipped(dim: 3) : sized
    } store: {
      out.copyMemory(from: $0)
    }
  }

  /// Writes the picture as evaluation sees it: the short side resized to 256/224 of `size`, then the centre. One
  /// that has the size already is left alone.
  func writeForEvaluation(size: Int, to out: UnsafeMutableRawBufferPointer) throws {
    if width == size, height == size {
      copy(CropBox(top: 0, left: 0, height: size, width: size), to: out)
    } else {
      try writeCenter(shortSide: evaluationShortSide(size), size: size, to: out)
    }
  }

  /// torchvision's `Resize(shortSide)` and `CenterCrop(size)`.
  func writeCenter(shortSide: Int, size: Int, to out: UnsafeMutableRawBufferPointer) throws {
    precondition(shortSide >= size, "a crop of \(size) from a short side of \(shortSide)")
    let box = withoutFarEnds
    let short = min(box.width, box.height)
    let height = box.height == short ? shortSide : shortSide * box.height / short
    let width = box.width == short ? shortSide : shortSide * box.width / short
    func middle(_ length: Int) -> Range<Int> {
      let start = Int((Double(length - size) / 2).rounded(.toNearestOrEven))
      return start..<start + size
    }
    try withPixels(of: box) { pixels in
      resizedBilinear(pixels, height: height, width: width)
        .narrowed(middle(height), dim: 2).narrowed(middle(width), dim: 3)
    } store: {
      out.copyMemory(from: $0)
    }
  }

  /// The whole picture, but of a strip only the middle, eight times as long as it is wide: resized as a whole, a
  /// strip of one pixel would ask for gigabytes.
  private var withoutFarEnds: CropBox {
    let (w, h) = (min(width, height * 8), min(height, width * 8))
    return CropBox(top: (height - h) / 2, left: (width - w) / 2, height: h, width: w)
  }

  /// Runs `transform` on the box as a 1×3×h×w uint8 tensor, channels last, and `store` on the result's bytes.
  private func withPixels(
    of box: CropBox, _ transform: (Tensor) -> Tensor, store: (UnsafeRawBufferPointer) -> Void
  ) throws {
    func run(_ bytes: UnsafeMutableRawBufferPointer) throws {
      try withTorchErrors {
        Tensor.withBorrowed(bytes, dtype: .uint8, shape: [1, box.height, box.width, 3]) { pixels in
          let result = transform(pixels.permuted([0, 3, 1, 2])).permuted([0, 2, 3, 1])
          if result.isDefined { result.withUnsafeBytes(store) }
        }
      }
    }
    if box.width == width {
      // Whole rows lie together. They are only read.
      try withUnsafeBytes { all in
        let rows = all[(box.top * width * 3)..<((box.top + box.height) * width * 3)]
        try run(UnsafeMutableRawBufferPointer(mutating: UnsafeRawBufferPointer(rebasing: rows)))
      }
    } else {
      // Gathered here, because the resampler would otherwise do it pixel by pixel.
      try withUnsafeTemporaryAllocation(byteCount: box.height * box.width * 3, alignment: 64) { scratch in
        copy(box, to: scratch)
        try run(scratch)
      }
    }
  }

  /// The box's rows, one after the other.
  private func copy(_ box: CropBox, to out: UnsafeMutableRawBufferPointer) {
    precondition(
      box.top >= 0 && box.left >= 0 && box.top + box.height <= height && box.left + box.width <= width,
      "\(box) in an image of \(width) x \(height)")
    let row = box.width * 3
    precondition(out.count == box.height * row, "\(out.count) bytes for \(box.height) x \(box.width) x 3")
    withUnsafeBytes { all in
      for y in 0..<box.height {
        let start = ((box.top + y) * width + box.left) * 3
        UnsafeMutableRawBufferPointer(rebasing: out[y * row..<(y + 1) * row])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: all[start..<start + row]))
      }
    }
  }
}

/// 256 for 224, in proportion for other sizes.
func evaluationShortSide(_ size: Int) -> Int { Int((256.0 / 224 * Double(size)).rounded()) }
