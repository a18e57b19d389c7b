import Foundation
import Methods
import TestSupport
import Testing
import Torch
@testable import Training

@Suite struct RunLogTests {
  private let path = temporaryFolder() + "/log.jsonl"

  private func step(_ number: Int) -> RunEvent {
    .step(
      .init(
        step: number, epoch: 0.5, loss: 6.25, lr: 0.03, momentum: 0.99, contrastTop1: 0.125,
        contrastTop5: 0.5,
        imagesPerSecond: 700, dataWait: 0.01))
  }

  @Test func aStepIsOneLineWithTheDocumentedKeys() throws {
    try RunLog(path: path, resumingFrom: 0).write(step(10))
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(
      text == #"{"contrast_top1":0.125,"contrast_top5":0.5,"data_wait":0.01,"epoch":0.5,"event":"step","#
        + #""images_per_second":700,"loss":6.25,"lr":0.03,"momentum":0.99,"step":10}"# + "\n")
  }

  @Test func diagnosticsAreKeysOfTheSameLine() throws {
    guard case .step(var step) = step(10) else { return }
    var found = Diagnostics(queries: Tensor([1.0, 0, 0, 1], shape: [2, 2]), keys: .ones([2, 2]))
    found.queueAge = 1.5
    step.diagnostics = found
    try RunLog(path: path, resumingFrom: 0).write(.step(step))
    let line = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
    let keys = try #require(line as? [String: Any])
    // JSONSerialization may lose a double's last bit.
    #expect(abs(try #require(keys["uniformity"] as? Double) - found.uniformity) < 1e-12)
    #expect(keys["queue_age"] as? Double == 1.5)
    #expect(keys["feature_rank"] != nil && keys["alignment"] != nil && keys["queue_filled"] == nil)
    #expect(RunLog.read(path) == [.step(step)])
  }

  @Test func everyEventIsReadBackAsItWasWritten() throws {
    let events: [RunEvent] = [
      .start(
        .init(
          time: "2026-01-01T00:00:00Z", config: try .recipe("v1"), data: "10 images", images: 10,
          host: .init(
            system: "s", cores: 2, threads: 2, device: "cpu", libtorch: "2.11.0", cpuCapability: "AVX2"),
          resumedFrom: nil)),
      step(1), .knn(.init(step: 1, epoch: 1, top1: 46.5)), .warning(.init(step: 1, message: "careful")),
      .end(.init(status: .finished, step: 1, seconds: 2, reason: nil)),
    ]
    let log = try RunLog(path: path, resumingFrom: 0)
    for event in events { try log.write(event) }
    #expect(RunLog.read(path) == events)
  }

  @Test func aLogOfAnOlderVersionIsRead() throws {
    let config = #"{"arch":"resnet8","batch-size":128,"knn-every":1}"#
    let line =
      #"{"config":\#(config),"data":"10 images","event":"start","host":{"cores":2,"cpu_capability":"AVX2","#
      + #""device":"cpu","libtorch":"2.11.0","system":"s","threads":2},"images":10,"time":"2026"}"#
    try Data((line + "\n").utf8).write(to: URL(fileURLWithPath: path))
    guard case .start(let start) = RunLog.read(path).first else {
      Issue.record("the start was left out")
      return
    }
    #expect(start.config.batchSize == 128 && start.config.arch == .resnet8)
    #expect(start.config.shuffleBuffer == RunConfig().shuffleBuffer && start.dataPath == nil)
  }

  @Test func resumingDropsWhatWillHappenAgainAndALineThatWasCutOff() throws {
    let log = try RunLog(path: path, resumingFrom: 0)
    for number in 1...6 { try log.write(step(number)) }
    let torn = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try torn.seekToEnd()
    try torn.write(contentsOf: Data(#"{"event":"step","st"#.utf8))
    try RunLog(path: path, resumingFrom: 4).write(step(5))
    #expect(RunLog.read(path) == [step(1), step(2), step(3), step(4), step(5)])
  }
}
