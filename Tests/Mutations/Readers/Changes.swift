/// SplitMix64 (Steele, Lea and Flood 2014).
struct Generator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(1, limit))) }
}

/// Sizes and numbers at which readers go wrong.
private let edges: [UInt64] = [
  0, 1, 2, 4, 7, 8, 15, 16, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF,
  0x8000_0000,
  0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000,
  0xFFFF_FFFF_FFFF_FFFF,
]

/// Makes one change: of bits, bytes or numbers, or a piece cut out, doubled, moved or taken from another file.
func change(_ bytes: inout [UInt8], by other: [UInt8], _ generator: inout Generator) {
  guard !bytes.isEmpty else {
    bytes = other
    return
  }
  let place = generator.below(bytes.count)
  let end = min(bytes.count, place + 1 + generator.below(40))
  switch generator.below(10) {
  case 0, 1: bytes[place] ^= 1 << UInt8(generator.below(8))
  case 2: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
  case 3, 4:
    // A number of 2, 4 or 8 bytes.
    let size = [2, 4, 8][generator.below(3)]
    var value = edges[generator.below(edges.count)]
    if generator.below(4) == 0 { value = UInt64(generator.below(2 * bytes.count)) }
    for byte in 0..<min(size, bytes.count - place) {
      bytes[place + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
    }
  case 5: bytes.removeSubrange(place..<end)
  case 6: bytes.insert(contentsOf: bytes[place..<end], at: place)
  case 7: bytes.removeSubrange(place...)
  case 8:
    guard !other.isEmpty else { return }
    let from = generator.below(other.count)
    bytes.replaceSubrange(place..<end, with: other[from..<min(other.count, from + end - place)])
  default:
    let piece = Array(bytes[place..<end])
    bytes.removeSubrange(place..<end)
    bytes.insert(contentsOf: piece, at: generator.below(bytes.count + 1))
  }
}
