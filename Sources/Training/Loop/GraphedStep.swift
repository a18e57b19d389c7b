import Distributed
import Methods
import Torch

/// Repeats a step's forward and backward passes as one captured graph: a GPU then starts their thousands of
/// operations by itself, without a call from the CPU for each.
///
/// The images and the random inputs are written to tensors that stay in place. The updates of key encoder,
/// weights and dictionary, before and after the passes, are not in the graph: they are a few fused operations
/// whose numbers (*m*, the learning rate, the position in the queue) change from step to step, and they are
/// queued while the device still computes.
final class GraphedStep {
  private struct Passes {
    let output: StepOutput
    let gradients: [Tensor]
    var tensors: [Tensor] { output.tensors + gradients }
  }

  private let means: CaptureMode
  private let trained: [Tensor]
  private let pass: (ViewBatch) -> StepOutput
  private var inputs: ViewBatch?
  private var work: CapturedGraph<Passes>?
  /// The number of normal steps before the capture: in them libraries choose their kernels.
  private var warmUp = 3

  /// - Parameters:
  ///   - means: How the pass is repeated.
  ///   - trained: The tensors with gradients.
  ///   - pass: The forward and backward pass of a batch; gradients are left in `trained`.
  init(by means: CaptureMode, trained: [Tensor], pass: @escaping (ViewBatch) -> StepOutput) {
    (self.means, self.trained, self.pass) = (means, trained, pass)
  }

  var isWarmingUp: Bool { work == nil }

  /// The pass of `batch`. Its result is valid until the next one.
  /// - Throws: `TorchError` if the pass cannot be captured; it is then not executed.
  func callAsFunction(_ batch: ViewBatch) throws -> StepOutput {
    guard warmUp == 0 else {
      warmUp -= 1
      return pass(batch)
    }
    let (inputs, work) = try recorded(batch)
    guard inputs.views[0].shape == batch.views[0].shape else {
      // Views that have grown: a graph of these is captured after other normal steps.
      (self.inputs, self.work, warmUp) = (nil, nil, 2)
      return pass(batch)
    }
    for (place, value) in zip(inputs.tensors, batch.tensors) { place.copy(from: value) }
    let passes = work.replay()
    for (tensor, gradient) in zip(trained, passes.gradients) { tensor.gradient = gradient }
    return passes.output
  }

  private func recorded(_ batch: ViewBatch) throws -> (ViewBatch, CapturedGraph<Passes>) {
    if let inputs, let work { return (inputs, work) }
    let inputs = batch.clone()
    let work = try CapturedGraph<Passes>(by: means, tensors: \.tensors) { [pass, trained, inputs] in
      let output = pass(inputs)
      let gradients = trained.compactMap(\.gradient)
      precondition(
        gradients.count == trained.count, "\(gradients.count) gradients of \(trained.count) parameters")
      for tensor in trained { tensor.clearGradient() }
      return Passes(output: output, gradients: gradients)
    }
    (self.inputs, self.work) = (inputs, work)
    return (inputs, work)
  }
}

extension RunConfig {
  /// The capture mode, or the reason why steps are not captured although it was requested.
  func recording(of method: any Method, on device: Device, context: RankContext) -> (
    means: CaptureMode?, reason: String?
  ) {
    guard self.cudaGraph, case .cuda = device else { return (nil, nil) }
    let reason: String? =
      if context.rank.count > 1 {
        "ranks exchange keys and gradients in the middle of it"
      } else if self.accumulate > 1 {
        "--accumulate \(self.accumulate) takes a batch in parts"
      } else if !method.isCapturable {
        "\(self.method.rawValue) needs the CPU in its forward pass"
      } else {
        CUDALibrary.loadError?.description
      }
    guard let reason else { return (.cudaGraph, nil) }
    return (nil, "A step is not recorded as a CUDA graph: \(reason)")
  }
}
