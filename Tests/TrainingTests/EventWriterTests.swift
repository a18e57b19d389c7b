import Files
import Foundation
import TensorBoard
import TestSupport
import Testing
@testable import Training

@Suite struct EventWriterTests {
  @Test func everyMeasurementOfAStepIsACurve() {
    let step = RunEvent.Step(
      step: 3, epoch: 0.5, loss: 6.25, lr: 0.03, momentum: 0.99, contrastTop1: 0.125, contrastTop5: 0.5,
      imagesPerSecond: 700, dataWait: 0.01)
    #expect(
      Dictionary(uniqueKeysWithValues: step.curves.map { ($0.tag, $0.value) }) == [
        "train/loss": 6.25, "train/lr": 0.03, "train/momentum": 0.99, "train/epoch": 0.5,
        "contrast/top1": 0.125,
        "contrast/top5": 0.5, "speed/images_per_second": 700, "speed/data_wait": 0.01,
      ])
  }

  @Test func anEventFileThatCannotBeWrittenIsSaidLikeTheLog() throws {
    let folder = temporaryFolder() + "/none"
    let error = try #require(#expect(throws: (any Error).self) { try EventFile(in: folder, resumingFrom: 0) })
    #expect(
      cannotWrite("\(folder)/events.out.tfevents.*", error).description
        == "cannot write \(folder)/events.out.tfevents.*: No such file or directory. Free space or fix its "
        + "permissions; the same command continues the run.")
  }
}
