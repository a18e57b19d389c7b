import Synchronization
import Torch

/// How training draws images.
public struct DetectionSampling: Sendable, Equatable {
  /// Of all ranks together.
  public var batchSize: Int
  public var seed: UInt64
  /// Whether the images of a batch are all wider than high, or none.
  public var groupsByAspect: Bool
  /// Nil shows every image once in a pass.
  public var repeats: RepeatFactors?
  public var rank: Rank

  /// Traps unless the batch divides by the ranks.
  public init(
    batchSize: Int, seed: UInt64, groupsByAspect: Bool = true, repeats: RepeatFactors? = nil,
    rank: Rank = .only
  ) {
    precondition(
      batchSize >= 1 && batchSize.isMultiple(of: rank.count),
      "a batch of \(batchSize) does not divide by \(rank.count) ranks")
    (self.batchSize, self.seed, self.groupsByAspect) = (batchSize, seed, groupsByAspect)
    (self.repeats, self.rank) = (repeats, rank)
  }
}

/// The endless sequence of training batches: pass after pass all images in a new random order, dealt to two stacks by
/// orientation; a stack that has enough becomes a batch.
///
/// It is a pure function of (seed, sampling, orientations): a resumed run needs the number of its next batch only, and
/// walks there without reading an image. All ranks walk through the same sequence and each makes its rows of every
/// batch, so that they make together what one would alone. (In the published implementation each rank stacks its own
/// images.)
package struct DetectionOrder: Sendable {
  /// One showing of an image.
  package struct Showing: Sendable, Equatable {
    package let image: Int
    package let pass: Int
    /// In the pass; what the random draws of the showing belong to.
    package let place: Int
  }

  private let isWide: [Bool]
  private let sampling: DetectionSampling
  private var pass = -1
  private var place = 0
  private var order: [Int] = []
  private var stacks: [[Showing]] = [[], []]
  /// The number of the next batch.
  package private(set) var next = 0

  package init(isWide: [Bool], _ sampling: DetectionSampling) {
    precondition(!isWide.isEmpty, "no image to draw")
    precondition(
      sampling.repeats.map { $0.values.count == isWide.count } ?? true,
      "repeat factors for \(sampling.repeats?.values.count ?? 0) of \(isWide.count) images")
    (self.isWide, self.sampling) = (isWide, sampling)
  }

  /// The next batch of all ranks.
  package mutating func batch() -> [Showing] {
    while true {
      if place == order.count { beginPass() }
      let showing = Showing(image: order[place], pass: pass, place: place)
      place += 1
      let stack = sampling.groupsByAspect && isWide[showing.image] ? 1 : 0
      stacks[stack].append(showing)
      guard stacks[stack].count == sampling.batchSize else { continue }
      defer { stacks[stack].removeAll(keepingCapacity: true) }
      next += 1
      return stacks[stack]
    }
  }

  private mutating func beginPass() {
    pass += 1
    place = 0
    var generator = CounterGenerator(seed: sampling.seed, .sampleOrder, pass)
    if let repeats = sampling.repeats {
      let images = repeats.images(pass: pass, seed: sampling.seed)
      order = generator.permutation(images.count).map { images[$0] }
    } else {
      order = generator.permutation(isWide.count)
    }
  }
}

/// A rank's rows of training batches, for threads that need them a little ahead of each other.
final class DetectionBatches: Sendable {
  private struct State {
    var order: DetectionOrder
    var rows: [Int: [DetectionOrder.Showing]] = [:]
  }

  private let sampling: DetectionSampling
  private let window: Int
  private let state: Mutex<State>

  /// - Parameters:
  ///   - first: The first batch that will be wanted; earlier ones are passed over.
  ///   - window: How many batches before the newest are still wanted.
  init(isWide: [Bool], _ sampling: DetectionSampling, first: Int, window: Int) {
    var order = DetectionOrder(isWide: isWide, sampling)
    while order.next < first { _ = order.batch() }
    (self.sampling, self.window) = (sampling, window)
    state = Mutex(State(order: order))
  }

  func rows(_ batch: Int) -> [DetectionOrder.Showing] {
    state.withLock { state in
      while state.order.next <= batch {
        let number = state.order.next
        let all = state.order.batch()
        state.rows[number] = sampling.rank.rows(of: all.count, dealt: .consecutive).map { all[$0] }
        state.rows[number - window] = nil
      }
      guard let rows = state.rows[batch] else {
        preconditionFailure("batch \(batch) is \(state.order.next - batch) before the newest")
      }
      return rows
    }
  }
}
