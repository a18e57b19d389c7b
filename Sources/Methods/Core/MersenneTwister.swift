/// MT19937 (Matsumoto and Nishimura 1998), seeded as C++'s `std::mt19937`: for results that must equal another
/// program's. Everything else draws from a `CounterGenerator`.
struct MersenneTwister {
  private static let size = 624, middle = 397
  private var words: [UInt32]
  private var place = size

  init(seed: UInt32) {
    words = [seed]
    for i in 1..<MersenneTwister.size {
      let last = words[i - 1]
      words.append(1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(i))
    }
  }

  mutating func next() -> UInt32 {
    if place == MersenneTwister.size { twist() }
    var x = words[place]
    place += 1
    x ^= x >> 11
    x ^= (x << 7) & 0x9D2C_5680
    x ^= (x << 15) & 0xEFC6_0000
    return x ^ (x >> 18)
  }

  private mutating func twist() {
    for i in 0..<MersenneTwister.size {
      let y = (words[i] & 0x8000_0000) | (words[(i + 1) % MersenneTwister.size] & 0x7FFF_FFFF)
      let mixed = y & 1 == 0 ? y >> 1 : (y >> 1) ^ 0x9908_B0DF
      words[i] = words[(i + MersenneTwister.middle) % MersenneTwister.size] ^ mixed
    }
    place = 0
  }
}
