import TestSupport
import Testing
import Torch

@Suite struct NonMaximumSuppression {
  /// Whole coordinates: many IoUs equal the threshold, scores are equal, boxes have no area.
  @Test func decidesAsTorchvisionDoes() throws {
    let reference = try DetectionFixture.load().nms
    for expected in reference.cases {
      let boxes = Tensor(reference.boxes, shape: [reference.scores.count, 4]).to(expected.kind)
      let scores = Tensor(reference.scores).to(expected.kind)
      #expect(nms(boxes, scores: scores, threshold: expected.threshold).array() == expected.kept)
      let byClass = batchedNMS(
        boxes, scores: scores, classes: Tensor(reference.classes), threshold: expected.threshold)
      let indices = byClass.array(of: Int.self)
      #expect(indices.sorted() == expected.keptByClass)
      #expect(
        indices == indices.sorted { (-reference.scores[$0], $0) < (-reference.scores[$1], $1) })
    }
  }

  /// The definition, with an IoU in the type of the boxes; more boxes than the kernel takes in one block or gives one thread.
  @Test(arguments: [0, 1, 63, 64, 65, 3000])
  func keepsWhatTheDefinitionKeeps(count: Int) {
    let numbers = formula(salt: 5, shape: [count, 5]).to(.float32).array(of: Float.self)
    let boxes = (0..<count).flatMap { i -> [Float] in
      let (x, y) = (50 * numbers[5 * i], 50 * numbers[5 * i + 1])
      return [x, y, x + 20 + 10 * numbers[5 * i + 2], y + 20 + 10 * numbers[5 * i + 3]]
    }
    let scores = (0..<count).map { numbers[5 * $0 + 4] }
    var kept: [Int] = []
    func share(_ i: Int, _ j: Int) -> Float {
      func side(_ low: Int) -> Float {
        let (a, b) = (4 * i + low, 4 * j + low)
        return max(0, min(boxes[a + 2], boxes[b + 2]) - max(boxes[a], boxes[b]))
      }
      func area(_ i: Int) -> Float {
        (boxes[4 * i + 2] - boxes[4 * i]) * (boxes[4 * i + 3] - boxes[4 * i + 1])
      }
      let common = side(0) * side(1)
      return common / (area(i) + area(j) - common)
    }
    for i in (0..<count).sorted(by: { (-scores[$0], $0) < (-scores[$1], $1) })
    where kept.allSatisfy({ Double(share($0, i)) <= 0.6 }) { kept.append(i) }
    let before = Runtime.threads
    defer { Runtime.threads = before }
    for threads in [1, 2, 4] {
      Runtime.threads = threads
      let made = nms(
        Tensor(boxes, shape: [count, 4]), scores: Tensor(scores, shape: [count]), threshold: 0.6)
      #expect(made.array() == kept)
    }
  }

  @Test func classesDoNotCompete() {
    let boxes = Tensor([0.0, 0, 10, 10, 0, 0, 10, 10, 0, 0, 10, 10], shape: [3, 4])
    let kept = batchedNMS(
      boxes, scores: Tensor([0.5, 0.9, 0.8]), classes: Tensor([7, -1, 7]), threshold: 0.5)
    #expect(kept.array() == [1, 2])
  }

  @Test func takesColumnsOfATable() {
    let table = formula(salt: 6, shape: [5, 40]).abs()
    let boxes = table.narrowed(0..<4).permuted([1, 0])
    let made = nms(boxes, scores: table.selected(4), threshold: 0.3)
    let copied = nms(boxes.contiguous(), scores: table.selected(4).clone(), threshold: 0.3)
    #expect(made.array(of: Int.self) == copied.array())
  }
}
