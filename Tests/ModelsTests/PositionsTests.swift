import Testing
import Torch
@testable import Models

/// Position embeddings that are brought to another grid.
@Suite struct PositionsTests {
  /// A class token of 9, and a grid of 2×2 positions with two channels.
  private let positions = Tensor([9, -9, 0, 10, 4, 20, 8, 30, 12, 40], shape: [1, 5, 2]).to(.float32)

  /// By hand: with half-pixel centres the four places of a row lie at −¼, ¼, ¾ and 5/4 of the two old ones, whose values
  /// are held beyond the ends.
  @Test func twoByTwoBecomeFourByFourByTheirPlaces() throws {
    let resized = VisionTransformer.resized(positions: positions, to: 4)
    #expect(resized.shape == [1, 17, 2])
    let values = resized.array(of: Float.self)
    #expect(Array(values[0..<2]) == [9, -9])
    let weights: [Float] = [0, 0.25, 0.75, 1]
    for (row, down) in weights.enumerated() {
      for (column, right) in weights.enumerated() {
        let place = 2 * (1 + 4 * row + column)
        // The first channel is 4·right + 8·down, the second 10 + 10·right + 20·down. A few roundings.
        #expect(abs(values[place] - (4 * right + 8 * down)) < 1e-5)
        #expect(abs(values[place + 1] - (10 + 10 * right + 20 * down)) < 1e-5)
      }
    }
  }

  @Test func theSameGridStaysAndASmallerOneIsTheMean() {
    let same = VisionTransformer.resized(positions: positions, to: 2)
    #expect(same.array(of: Float.self) == positions.array())
    let one = VisionTransformer.resized(positions: positions, to: 1).array(of: Float.self)
    #expect(one.count == 4 && abs(one[2] - 6) < 1e-5 && abs(one[3] - 25) < 1e-5)
  }

  @Test func onlySquaresOfPositionsAreResized() {
    #expect(
      VisionTransformer.sides(of: "pos_embed", from: [1, 197, 384], to: [1, 17, 384]).map {
        [$0.from, $0.to]
      }
        == [14, 4])
    for (name, old, new) in [
      ("pos_embed", [1, 196, 384], [1, 17, 384]), ("pos_embed", [1, 197, 384], [1, 17, 768]),
      ("cls_token", [1, 197, 384], [1, 17, 384]), ("pos_embed", [197, 384], [17, 384]),
      ("pos_embed", [1, .max, 384], [1, 17, 384]), ("pos_embed", [2, 197, 384], [1, 17, 384]),
    ] { #expect(VisionTransformer.sides(of: name, from: old, to: new) == nil, "\(name) \(old)") }
  }
}
