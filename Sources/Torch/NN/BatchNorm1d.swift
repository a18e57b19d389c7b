import CTorch

/// Batch normalisation of N×C over N (Ioffe and Szegedy 2015), with statistics as in ``BatchNorm2d``.
public final class BatchNorm1d: Module {
  public let weight: Parameter?  // C, starts at 1
  public let bias: Parameter?  // C, starts at 0
  public let runningMean: Buffer  // C
  public let runningVar: Buffer  // C
  public let numBatchesTracked: Buffer  // scalar, int64
  /// The ranks whose batches are normalised together (SyncBN); nil normalises each rank's batch alone.
  public var ranks: ProcessGroup?

  /// - Parameter affine: Whether there are a weight and a bias; the last layer of MoCo v3's heads has none.
  public init(_ channels: Int, affine: Bool = true) {
    weight = affine ? Parameter(.ones([channels])) : nil
    bias = affine ? Parameter(.zeros([channels])) : nil
    runningMean = Buffer(.zeros([channels]))
    runningVar = Buffer(.ones([channels]))
    numBatchesTracked = Buffer(.zeros([], dtype: .int64))
  }

  public override func forward(_ x: Tensor) -> Tensor {
    x.expect([nil, runningMean.tensor.shape[0]], "input of batch normalisation")
    if isTraining { numBatchesTracked.tensor.add(.one) }
    if isTraining, let ranks {
      return ranks.batchNorm(
        x, weight: weight?.tensor, bias: bias?.tensor, runningMean: runningMean.tensor,
        runningVar: runningVar.tensor, momentum: BatchNorm2d.momentum, epsilon: BatchNorm2d.epsilon)
    }
    return produce {
      ct_batch_norm(
        $0, x.handle, weight?.tensor.handle, bias?.tensor.handle, runningMean.tensor.handle,
        runningVar.tensor.handle, isTraining, BatchNorm2d.momentum, BatchNorm2d.epsilon)
    }
  }
}
