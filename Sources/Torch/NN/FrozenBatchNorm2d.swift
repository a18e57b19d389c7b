import CTorch

/// Batch normalisation of N×C×H×W that is a fixed affine map of each channel, as torchvision's and detectron2's
/// `FrozenBatchNorm2d`: y = x·s + b − μ·s with s = w / √(σ² + 1e-5). Nothing in it learns, and no batch changes it.
///
/// The names in the state are those of ``BatchNorm2d``, without `num_batches_tracked`.
public final class FrozenBatchNorm2d: Module, BatchNormLayer {
  public let weight: Buffer  // C, w, starts at 1
  public let bias: Buffer  // C, b, starts at 0
  public let runningMean: Buffer  // C, μ
  public let runningVar: Buffer  // C, σ²

  public init(_ channels: Int) {
    weight = Buffer(.ones([channels]))
    bias = Buffer(.zeros([channels]))
    runningMean = Buffer(.zeros([channels]))
    runningVar = Buffer(.ones([channels]))
  }

  public var scale: Tensor { weight.tensor }

  public override func forward(_ x: Tensor) -> Tensor {
    produce {
      ct_batch_norm(
        $0, x.handle, weight.tensor.handle, bias.tensor.handle, runningMean.tensor.handle,
        runningVar.tensor.handle,
        false, 0, BatchNorm2d.epsilon)
    }
  }

  public func batchNormReLU(_ x: Tensor) -> Tensor { reluInPlace(self(x)) }

  public func batchNormAddReLU(_ x: Tensor, _ shortcut: Tensor) -> Tensor { reluInPlace(self(x) + shortcut) }
}
