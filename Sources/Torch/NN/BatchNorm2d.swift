import CTorch

/// Batch normalisation of N×C×H×W over N, H and W (Ioffe and Szegedy 2015).
///
/// In training the batch's own statistics normalise (variance biased) and the running ones follow by 0.1
/// (variance unbiased, as PyTorch's); in evaluation the running ones normalise.
public class BatchNorm2d: Module {
  public let weight: Parameter  // C, starts at 1
  public let bias: Parameter  // C, starts at 0
  public let runningMean: Buffer  // C
  public let runningVar: Buffer  // C
  public let numBatchesTracked: Buffer  // scalar, int64

  static let momentum = 0.1
  static let epsilon = 1e-5

  public init(_ channels: Int) {
    weight = Parameter(.ones([channels]))
    bias = Parameter(.zeros([channels]))
    runningMean = Buffer(.zeros([channels]))
    runningVar = Buffer(.ones([channels]))
    numBatchesTracked = Buffer(.zeros([], dtype: .int64))
  }

  public override func forward(_ x: Tensor) -> Tensor {
    if isTraining { numBatchesTracked.tensor.add(.one) }
    return produce {
      ct_batch_norm(
        $0, x.handle, weight.tensor.handle, bias.tensor.handle, runningMean.tensor.handle,
        runningVar.tensor.handle, isTraining, BatchNorm2d.momentum, BatchNorm2d.epsilon)
    }
  }
}
