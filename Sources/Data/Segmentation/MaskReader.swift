import Images

/// Reads the masks of a set and judges every pixel.
package struct MaskReader: Sendable {
  /// The colours of a set's numbers, and the mask that they are from.
  struct Palette: Sendable {
    let path: String
    let colors: [SIMD3<UInt8>]
  }

  let code: MaskCode
  let limits: DecodeLimits
  /// Masks whose palettes give a number another colour are faults; nil compares none.
  let palette: Palette?

  init(_ code: MaskCode, limits: DecodeLimits, palette: Palette? = nil) {
    (self.code, self.limits, self.palette) = (code, limits, palette)
  }

  /// - Throws: ``ImageError`` and ``MaskError``.
  package func read(_ path: String) throws -> LabelMap {
    let stored = try StoredPixels(contentsOf: path, limits: limits, colors: true)
    do {
      let labels =
        if case .colors(let classes, let list) = code {
          try byColor(stored, classes, list)
        } else {
          try byNumber(stored, path)
        }
      return LabelMap(height: stored.height, width: stored.width, labels: labels)
    } catch let fault as MaskFault { throw MaskError(path: path, fault) }
  }

  // MARK: - Numbers

  private func byNumber(_ stored: StoredPixels, _ path: String) throws -> [UInt8] {
    guard stored.kind != .colors else { throw MaskFault.colorsWithoutList }
    let numbers = try stored.smallNumbers(path)
    let used = used(numbers)
    var classes = [UInt8](repeating: LabelMap.ignored, count: 256)
    var isSame = true
    for number in 0..<256 where used[number] {
      guard let label = code.label(number) else {
        let place = numbers.firstIndex(of: UInt8(number)) ?? 0
        throw MaskFault.number(
          number, row: place / stored.width, column: place % stored.width, allowed: code.allowed)
      }
      classes[number] = label
      isSame = isSame && Int(label) == number
    }
    try compare(stored, used)
    return isSame ? numbers : numbers.map { classes[Int($0)] }
  }

  private func used(_ numbers: [UInt8]) -> [Bool] {
    var used = Array(repeating: false, count: 256)
    used.withUnsafeMutableBufferPointer { used in
      for number in numbers { used[Int(number)] = true }
    }
    return used
  }

  private func compare(_ stored: StoredPixels, _ used: [Bool]) throws(MaskFault) {
    guard let palette, case .palette(let colors) = stored.kind, !isGray(colors) else { return }
    for number in 0..<min(colors.count, palette.colors.count) where used[number] {
      guard colors[number] == palette.colors[number] else {
        throw .otherPalette(number, colors[number], other: palette.colors[number], path: palette.path)
      }
    }
  }

  // MARK: - Colours

  private func byColor(
    _ stored: StoredPixels, _ classes: [SIMD3<UInt8>: UInt8], _ list: String
  ) throws(MaskFault) -> [UInt8] {
    func label(_ color: SIMD3<UInt8>, _ place: Int) throws(MaskFault) -> UInt8 {
      guard let label = classes[color] else {
        throw .color(color, row: place / stored.width, column: place % stored.width, list: list)
      }
      return label
    }
    switch stored.kind {
    case .gray: throw .numbersWithColors(list: list)
    case .palette(let colors): return try byPalette(stored, colors, label)
    case .colors:
      var labels: [UInt8] = []
      labels.reserveCapacity(stored.bytes.count / 3)
      var before: (color: SIMD3<UInt8>, label: UInt8)?
      for place in 0..<stored.bytes.count / 3 {
        let color = SIMD3(stored.bytes[3 * place], stored.bytes[3 * place + 1], stored.bytes[3 * place + 2])
        if let before, before.color == color {
          labels.append(before.label)
          continue
        }
        let found = try label(color, place)
        before = (color, found)
        labels.append(found)
      }
      return labels
    }
  }

  private func byPalette(
    _ stored: StoredPixels, _ colors: [SIMD3<UInt8>],
    _ label: (SIMD3<UInt8>, Int) throws(MaskFault) -> UInt8
  ) throws(MaskFault) -> [UInt8] {
    let used = used(stored.bytes)
    var labels = [UInt8](repeating: LabelMap.ignored, count: 256)
    var owners: [SIMD3<UInt8>: Int] = [:]
    for number in 0..<256 where used[number] {
      let place = stored.bytes.firstIndex(of: UInt8(number)) ?? 0
      guard number < colors.count else {
        throw .number(
          number, row: place / stored.width, column: place % stored.width,
          allowed: "its palette has \(colors.count) colours")
      }
      if let first = owners[colors[number]] { throw .sharedColor(first, number, colors[number]) }
      owners[colors[number]] = number
      labels[number] = try label(colors[number], place)
    }
    return stored.bytes.map { labels[Int($0)] }
  }
}

/// Whether every place of a palette is the gray of its number, as programs write where no palette was set.
func isGray(_ colors: [SIMD3<UInt8>]) -> Bool {
  colors.indices.allSatisfy { colors[$0] == SIMD3(repeating: UInt8($0)) }
}
