import Testing
@testable import Training

@Suite struct ConsoleTests {
  private let progress = Console.Progress(
    epoch: 1.25, epochs: 5, step: 293, steps: 1170, loss: 6.12345, contrastTop1: 0.345,
    imagesPerSecond: 812.4,
    dataWait: 0.012, secondsLeft: 277)

  @Test func aPlainLineTellsEpochStepLossSpeedWaitAndTimeLeft() {
    #expect(
      Console.line(progress, columns: nil)
        == "epoch 1.25/5  step 293/1170  loss 6.1235  found 34.5 %  812 images/s  wait 1 %  04:37 left")
  }

  @Test func aTerminalGetsABarThatFitsItsLine() {
    let line = Console.line(progress, columns: 120)
    #expect(line.hasPrefix("[██"))
    #expect(line.count < 120)
    #expect(line.filter { $0 == "█" }.count == line.filter { "█·".contains($0) }.count * 293 / 1170)
  }

  @Test func aPassOverImagesTellsHowManyHowFastAndTimeLeft() {
    let count = Console.Count(done: 250, total: 1000, seconds: 2)
    #expect(Console.line(count, columns: nil) == "250/1000 images  125 images/s  00:06 left")
    #expect(Console.line(count, columns: 80).hasPrefix("[███████·"))
  }

  @Test(arguments: [1, 20, 40, 80, 95, 200])
  func noLineIsWiderThanItsTerminal(columns: Int) {
    #expect(Console.line(progress, columns: columns).count <= max(columns - 1, 1))
  }
}

@Suite struct DetectorConsoleTests {
  @Test func boxesMasksAndProposalsAreShownApart() {
    let progress = Console.LossProgress(
      step: 30, steps: 500,
      losses: [
        "loss_cls": 0.5, "loss_box_reg": 0.25, "loss_mask": 0.125, "loss_rpn_cls": 0.0625,
        "loss_rpn_loc": 0.0625,
      ], imagesPerSecond: 3.21, dataWait: 0.02, secondsLeft: 277)
    #expect(
      Console.line(progress, columns: nil)
        == "step 30/500  loss 1.000  boxes 0.750  masks 0.125  proposals 0.125  3.2 images/s  wait 2 %  04:37 left"
    )
  }
}
