import Images

extension Dataset {
  /// A warning where a look at a few images finds samples of more than 8 bits that the decoder's depth clips or
  /// crowds into few levels; nil where it fits. Images in shards and those that cannot be read are left out.
  package func depthWarning(lookingAt most: Int = 16) -> String? {
    guard shards == nil else { return nil }
    let scratch = DecodeScratch()
    let number = min(most, count)
    var report = CheckReport()
    for place in 0..<number {
      guard let file = try? samples.file(place * count / number, using: scratch), mayBeDeep(file) else {
        continue
      }
      report.count(
        .init(
          name: "", verdict: .ok, width: 1, height: 1, samples: decoder.examine(file, using: scratch).samples)
      )
    }
    guard let deep = report.deep, deep.isUnfit else { return nil }
    return "images of more than 8 bits, among \(number) looked at: \(deep.text)"
  }

  /// By its format, and the bits in a PNG's header.
  private func mayBeDeep(_ file: UnsafeRawBufferPointer) -> Bool {
    switch ImageFormat(sniffing: file) {
    case .png: file.count > 24 && file[24] == 16
    case .tiff, .pnm: true
    case .jpeg, .webp, .bmp, .gif, .avif, nil: false
    }
  }
}
