import Foundation
import TestSupport
import Testing
import Torch
import Training

private let gpus = if case .available(let count) = Runtime.cuda { count } else { 0 }

/// What only several GPUs show. Elsewhere these are skipped, and the test run says so.
@Suite(.serialized, .enabled(if: gpus >= 2, "there are fewer than two GPUs here"))
struct GPURuns {
  /// Keys, gradients and statistics by NCCL in place of Gloo. Float32 without TF32 differs by the order of its sums, which
  /// moves losses near 3 by less than 0.03 in four steps; unshuffled or unshared keys would move them by more.
  @Test(arguments: [
    ["--bn-splits", "1"], ["--bn-splits", "1", "--sync-bn"], ["--bn-splits", "1", "--accumulate", "2"],
  ])
  func twoRanksOnTwoGPUsTakeTheStepsOfTwoRanksOnTheCPU(options: [String]) throws {
    let data = try makeImageFolder(images: 40)
    func losses(_ device: String) throws -> [Double] {
      let out = temporaryFolder() + "/run"
      let result = try Program.run(
        [
          "pretrain", data, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "32", "--batch-size",
          "16",
          "--moco-k", "24", "--workers", "1", "--log-every", "1", "--steps", "4", "--epochs", "9",
          "--check-ranks-every", "1", "--nproc", "2", "--timeout", "60", "--device", device, "--out", out,
        ] + options)
      #expect(result.code == 0, "\(result.errors)")
      return RunLog.read(out + "/log.jsonl").compactMap {
        if case .step(let step) = $0 { step.loss } else { nil }
      }
    }
    let (ours, theirs) = (try losses("cuda"), try losses("cpu"))
    #expect(ours.count == 4 && theirs.count == 4)
    for (a, b) in zip(ours, theirs) { #expect(abs(a - b) < 0.03, "\(a), on the CPU \(b)") }
  }
}
