import Methods
import Testing
import Torch
@testable import Training

@Suite struct CollapseDetectorTests {
  private let collapsed = Diagnostics(queries: .ones([4, 1]), keys: .ones([4, 1]))
  private let healthy = Diagnostics(
    queries: Tensor((0..<16).map { $0 % 5 == 0 ? 1.0 : 0 }, shape: [4, 4]), keys: .ones([4, 4]))

  @Test func aCollapseThatLastsIsSaidOnceWithItsProbableCause() throws {
    var (watch, config) = (CollapseDetector(), RunConfig())
    config.lr = 3
    let told = (0..<100).compactMap { _ in watch.warning(collapsed, of: [64, 128], config) }
    #expect(
      told == [
        "The features have collapsed: the queries of a batch fill 1.0 of 128 dimensions, at a uniformity of 0.00 "
          + "(0: all are the same). Probable causes: a learning rate that is too high (--lr, now 3.0), or images "
          + "that hardly differ."
      ])
    (watch, config.mocoM) = (CollapseDetector(), 0)
    let fast = (0..<100).compactMap { _ in watch.warning(collapsed, of: [64, 128], config) }
    #expect(fast.count == 1)
    #expect(
      fast[0].hasSuffix("The key encoder follows too fast: try --moco-m 0.99 or more (now 0.0)."))
  }

  /// As with --lr 1000: queries of one direction, and keys of another. An untrained network's lie together.
  @Test func anEncoderThatJumpsIsSaidAtOnce() {
    let jumping = Diagnostics(
      queries: .ones([4, 1]), keys: Tensor([-1.0, -1, -1, 1], shape: [4, 1]))
    #expect(jumping.uniformity == 0 && jumping.alignment == 3)
    var (watch, config) = (CollapseDetector(), RunConfig())
    config.lr = 1000
    let told = (1...100).compactMap { step in
      watch.warning(jumping, of: [16, 128], config).map { "\(step) \($0)" }
    }
    #expect(
      told == [
        "3 The features have collapsed: all queries of a batch are the same (uniformity 0.00), and their keys lie elsewhere "
          + "(alignment 3.0 of 0 to 4). The encoder jumps from step to step: the learning rate is too high (--lr, now 1000.0)."
      ])
    // A predictor's outputs lie elsewhere from the start.
    config.method = "byol"
    watch = CollapseDetector()
    #expect((1...3).allSatisfy { _ in watch.warning(jumping, of: [16, 128], config) == nil })
  }

  @Test func theCauseFitsTheMethod() throws {
    func told(_ found: Diagnostics, _ change: (inout RunConfig) -> Void) throws -> String {
      var (watch, config) = (CollapseDetector(), RunConfig())
      change(&config)
      let all = (0..<100).compactMap { _ in watch.warning(found, of: [64, 32], config) }
      #expect(all.count == 1)
      let parts = try #require(all.first).components(separatedBy: "all are the same). ")
      return try #require(parts.last)
    }
    // Without a key encoder its momentum is not to blame.
    #expect(
      try told(collapsed) { ($0.method, $0.mocoM) = ("simclr", 0) }
        == "Probable causes: a learning rate that is too high (--lr, now 0.03), or images that hardly differ."
    )
    #expect(
      try told(collapsed) { ($0.method, $0.mocoM) = ("byol", 0.5) }
        == "The key encoder follows too fast: try --moco-m 0.99 or more (now 0.5).")
    #expect(
      try told(collapsed) { $0.method = "simsiam" }
        == "No negatives hold features apart, only the predictor and batch normalisation. Probable causes: a learning "
        + "rate that is too high (--lr, now 0.03), a batch that is too small to normalise (--batch-size, now 256), or "
        + "images that hardly differ.")
    #expect(
      try told(collapsed) { $0.method = "rotation" }
        == "Probable causes: a learning rate that is too high (--lr, now 0.03), or a task that these images do not "
        + "answer, as a ball looks the same from all sides.")
  }

  /// Features behind a ReLU, or means of patches, lie in one corner: cosines near 1, yet in many directions.
  @Test func aCornerOfTheSphereIsNoCollapseWhereNothingIsTrainedOnIt() {
    let n = 16
    let rows = (0..<n).flatMap { row in (0..<n).map { row == $0 ? 1.2 : 1.0 } }
    let found = Diagnostics(
      queries: l2Normalized(Tensor(rows, shape: [n, n])), keys: .ones([n, n]))
    #expect(found.uniformity > -0.1 && found.featureRank > 2)
    var config = RunConfig()
    #expect(CollapseDetector.isCollapsed(found, config))
    config.method = "cpc"
    #expect(!CollapseDetector.isCollapsed(found, config) && CollapseDetector.isCollapsed(collapsed, config))
    config.method = "rotation"
    #expect(!CollapseDetector.isCollapsed(found, config) && CollapseDetector.isCollapsed(collapsed, config))
  }

  @Test func fewDimensionsAreNoCollapse() {
    let found = Diagnostics(queries: Tensor([1.0, 0, 0, 1], shape: [2, 2]), keys: .ones([2, 2]))
    var config = RunConfig()
    #expect(CollapseDetector.isCollapsed(found, config))
    config.mocoDim = 2
    #expect(!CollapseDetector.isCollapsed(found, config) && CollapseDetector.isCollapsed(collapsed, config))
  }

  @Test func aBeginningIsNoCollapse() {
    var watch = CollapseDetector()
    for _ in 0..<5 {
      let told = (0..<CollapseDetector.patience - 1).compactMap { _ in
        watch.warning(collapsed, of: [64, 128], RunConfig())
      }
      #expect(told.isEmpty && watch.warning(healthy, of: [64, 128], RunConfig()) == nil)
    }
  }

  /// The fewer queries, the fewer dimensions they can fill.
  @Test func aHandfulOfQueriesSaysNothing() {
    var watch = CollapseDetector()
    #expect((0..<100).allSatisfy { _ in watch.warning(collapsed, of: [15, 128], RunConfig()) == nil })
  }
}
