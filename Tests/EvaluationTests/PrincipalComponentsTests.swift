import Evaluation
import Foundation
import Testing
import Torch

@Suite struct PrincipalComponentsTests {
  /// Four points: ±3 along one direction, ±1 along another one at right angles, around a middle.
  private func points(_ first: [Double], _ second: [Double], around middle: [Double]) -> Tensor {
    let places: [(Double, Double)] = [(3, 0), (-3, 0), (0, 1), (0, -1)]
    let values = places.flatMap { a, b in
      middle.indices.map { middle[$0] + a * first[$0] + b * second[$0] }
    }
    return Tensor(values, shape: [4, middle.count])
  }

  @Test(arguments: [2, 3, 40])  // fewer columns than rows, as many but one, more
  func directionsAndSharesAreThoseThePointsWereMadeFrom(width: Int) {
    var (first, second) = ([Double](repeating: 0, count: width), [Double](repeating: 0, count: width))
    (first[0], first[width - 1]) = (0.6, 0.8)
    (second[0], second[width - 1]) = (0.8, -0.6)
    let found = PrincipalComponents(
      points(first, second, around: [Double](repeating: 5, count: width)), count: 2)
    #expect(found.coordinates.shape == [4, 2])
    // Variances 2·3² and 2·1².
    #expect(zip(found.shares, [0.9, 0.1]).allSatisfy { abs($0 - $1) < 1e-12 })
    let places = found.coordinates.array(of: Double.self)
    // Roots of eigenvalues around 18, exact to 1e-14.
    let magnitudes: [Double] = [3, 0, 3, 0, 0, 1, 0, 1]
    #expect(zip(places, magnitudes).allSatisfy { abs(abs($0) - $1) < 1e-6 })
    #expect(places[0] * places[2] < 0 && places[5] * places[7] < 0)
  }

  @Test(arguments: [3, 30])
  func theFarthestRowLiesOnThePositiveSide(width: Int) {
    let generator = Generator(seed: 2)
    for _ in 0..<10 {
      let x = Tensor.normal([12, width], using: generator)
      for mirrored in [x, x * -1] {
        let places = PrincipalComponents(mirrored, count: 2).coordinates.array(of: Double.self)
        for column in 0..<2 {
          let along = stride(from: column, to: places.count, by: 2).map { places[$0] }
          #expect((along.max { abs($0) < abs($1) } ?? 0) > 0)
        }
      }
    }
  }

  @Test func rowsThatAreEqualLieAtZero() {
    let found = PrincipalComponents(.ones([5, 3]), count: 2)
    #expect(found.shares == [0, 0])
    #expect(found.coordinates.array(of: Double.self).allSatisfy { $0 == 0 })
  }

  @Test func moreComponentsThanRowsAreEmpty() {
    let found = PrincipalComponents(Tensor([1.0, 2, 3], shape: [1, 3]), count: 2)
    #expect(found.coordinates.shape == [1, 2] && found.shares == [0, 0])
  }
}
