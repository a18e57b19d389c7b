import MomentumContrast
import Testing
import Torch

@testable import Training

@Suite struct CollapseWatchTests {
  private let collapsed = Diagnostics(queries: .ones([4, 1]), keys: .ones([4, 1]))
  private let healthy = Diagnostics(
    queries: Tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 1], shape: [3, 3]), keys: .ones([3, 3]))

  @Test func aCollapseThatLastsIsSaidOnceWithItsProbableCause() throws {
    var (watch, config) = (CollapseWatch(), RunConfig())
    config.lr = 3
    let told = (0..<100).compactMap { _ in watch.warning(collapsed, queries: 64, config) }
    #expect(
      told == [
        "The features have collapsed: the queries of a batch fill 1.0 of 128 dimensions, at a uniformity of 0.00 "
          + "(0: all are the same). Probable causes: a learning rate that is too high (--lr, now 3.0), or images "
          + "that hardly differ."
      ])
    (watch, config.mocoM) = (CollapseWatch(), 0)
    let fast = (0..<100).compactMap { _ in watch.warning(collapsed, queries: 64, config) }
    #expect(fast.count == 1)
    #expect(
      fast[0].hasSuffix("The key encoder follows too fast: try --moco-m 0.99 or more (now 0.0)."))
  }

  @Test func aBeginningIsNoCollapse() {
    var watch = CollapseWatch()
    for _ in 0..<5 {
      let told = (0..<CollapseWatch.patience - 1).compactMap { _ in
        watch.warning(collapsed, queries: 64, RunConfig())
      }
      #expect(told.isEmpty && watch.warning(healthy, queries: 64, RunConfig()) == nil)
    }
  }

  /// Two queries fill two dimensions at most.
  @Test func aHandfulOfQueriesSaysNothing() {
    var watch = CollapseWatch()
    #expect((0..<100).allSatisfy { _ in watch.warning(collapsed, queries: 7, RunConfig()) == nil })
  }
}
