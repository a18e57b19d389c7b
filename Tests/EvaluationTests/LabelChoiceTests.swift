import Data
import Files
import Foundation
import TestSupport
import Testing
@testable import Evaluation

/// Which labels are shown.
@Suite struct LabelChoiceTests {
  @Test func aShareIsBalancedOverClassesOfAnySize() {
    // 100, 50, 10 and 1 images; the third class is not there.
    let labels = [(0, 100), (1, 50), (3, 10), (4, 1)].flatMap { Array(repeating: $0.0, count: $0.1) }
    func counts(_ share: Double, seed: UInt64 = 1) -> [Int] {
      let chosen = LabelSubset.draw(share, labels: labels, classes: 5, seed: seed)
      #expect(Set(chosen).count == chosen.count && chosen == chosen.sorted())
      return (0..<5).map { label in chosen.count { labels[$0] == label } }
    }
    #expect(counts(0.001) == [1, 1, 0, 1, 1], "at least one of each")
    #expect(counts(0.1).reduce(0, +) == 16)
    #expect(counts(0.1) == [5, 5, 0, 5, 1], "the small class gives all it has")
    #expect(counts(0.5) == [35, 35, 0, 10, 1])
    #expect(counts(1) == [100, 50, 0, 10, 1])
    let uneven = counts(18.0 / 161)
    #expect(uneven.reduce(0, +) == 18 && uneven.sorted() == [0, 1, 5, 6, 6])
  }

  @Test func theSeedDecidesWhichAreChosen() {
    let labels = (0..<200).map { $0 % 4 }
    func draw(_ seed: UInt64) -> [Int] { LabelSubset.draw(0.1, labels: labels, classes: 4, seed: seed) }
    #expect(draw(1).count == 20)
    #expect(draw(1) == draw(1) && draw(1) != draw(2))
    // Classes are drawn apart: not the same places of each.
    let places = (0..<4).map { label in draw(1).filter { labels[$0] == label }.map { $0 / 4 } }
    #expect(Set(places).count == 4)
  }

  @Test func aListNamesPathsOrFiles() throws {
    let path = temporaryFolder() + "/labels.txt"
    func read(_ text: String) throws -> [Int] {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return try LabelSubset.read(path, names: ["a/1.png", "a/2.png", "b/1.png", "b/3.png"])
    }
    #expect(try read("b/1.png\n3.png\r\n\n a/1.png \na/1.png\n") == [0, 2, 3])
    let cases = [
      "2.png\n9.png": "line 2: there is no training image 9.png.",
      "1.png": "line 1: 2 training images are named 1.png.",
    ]
    for (text, reason) in cases {
      let error = #expect(throws: UsageError.self) { try read(text) }
      #expect(
        error?.description
          == "--labels \(path): \(reason) Give paths as they are in the training set, such as a/1.png.")
    }
    #expect(throws: UsageError("--labels \(path): the list is empty.")) { try read("\n") }
    #expect(
      throws: UsageError(
        "--labels /none.txt: the file cannot be read as text. Give a list with the path of a training image in each line."
      )
    ) {
      try LabelSubset.read("/none.txt", names: [])
    }
  }

  @Test func sharesAndListsAreWrittenAsPeopleDo() {
    #expect(LabelSubset("1%") == .share(0.01) && LabelSubset("0.1") == .share(0.1))
    #expect(LabelSubset("100%") == .all && LabelSubset("x/1percent.txt") == .list("x/1percent.txt"))
    for wrong in ["", "0%", "101%", "-1%", "ten", "1.2"] { #expect(LabelSubset(wrong) == nil, "\(wrong)") }
    #expect(LabelSubset.share(0.01).description == "1%")
  }
}
