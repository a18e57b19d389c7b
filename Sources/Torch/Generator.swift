import CTorch

/// LibTorch's own random numbers (Mersenne Twister on the CPU), always passed explicitly: there is no global
/// seed.
public final class Generator {
  /// Nil draws nothing.
  let handle: OpaquePointer?

  public init(seed: UInt64) {
    var handle: OpaquePointer?
    check(ct_generator_new(&handle, Device.cpu.c, seed))
    guard let handle else { fatalError("no memory left for a random generator") }
    self.handle = handle
  }

  private init() { handle = nil }

  /// Draws nothing: the tensors made with it have a shape, and the memory of one number. A network that is built with it
  /// states its tensors' names and shapes in milliseconds and cannot be used for anything else.
  package static var shapesOnly: Generator { Generator() }

  package var isShapesOnly: Bool { handle == nil }

  deinit { if let handle { ct_generator_free(handle) } }
}

/// The purpose of a random number. Every draw names its purpose, so a new kind of draw does not change the
/// others.
public enum RandomPurpose: UInt64, Sendable {
  case weights = 1
  case sampleOrder = 2
  case geometry = 3
  case color = 4
  case keyShuffle = 5
  case substitution = 6
  case shardOrder = 7
  case labels = 8
  case bankRows = 9
  case pretext = 10
  case anchorSampling = 11
  case proposalSampling = 12
  case imageRepeats = 20
  case mixing = 30
  case erasing = 31
  case dropPath = 32
  case patchMask = 34
  case randAugment = 33
}

/// Random numbers as a pure function of a key and a counter (SplitMix64 over a mixed key).
///
/// The same (seed, purpose, indices) gives the same numbers in any thread and at any time. So batches do not
/// depend on the number of loader workers, and a resumed run draws the same numbers as an unbroken run.
public struct CounterGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// - Parameters:
  ///   - purpose: The purpose of the draw.
  ///   - seed: The run's.
  ///   - indices: The position of the draw, outermost first: epoch, sample, view.
  public init(seed: UInt64, _ purpose: RandomPurpose, _ indices: Int...) {
    state = CounterGenerator.mix(seed ^ 0x6D6F_636F_7377_6966)
    state = CounterGenerator.mix(state &+ purpose.rawValue)
    for index in indices { state = CounterGenerator.mix(state &+ UInt64(bitPattern: Int64(index))) }
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return CounterGenerator.finalize(state)
  }

  /// U(range).
  public mutating func uniform(_ range: ClosedRange<Double> = 0...1) -> Double {
    let unit = Double(next() >> 11) * 0x1p-53
    return range.lowerBound + unit * (range.upperBound - range.lowerBound)
  }

  /// True with probability `p`.
  public mutating func chance(_ p: Double) -> Bool { uniform() < p }

  /// U{0 …< bound}. Implemented here, like the permutation, because the standard library's algorithm may
  /// change between Swift versions and a run's sample order must not.
  public mutating func index(below bound: Int) -> Int {
    precondition(bound > 0, "bound = \(bound) must be at least 1")
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// 0 …< count in random order (Fisher and Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, index(below: last + 1)) }
    return order
  }

  private static func mix(_ value: UInt64) -> UInt64 { finalize(value &+ 0x9E37_79B9_7F4A_7C15) }

  private static func finalize(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
