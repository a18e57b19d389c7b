import CTorch

/// Batch normalisation as the blocks of a residual network apply it.
public protocol BatchNormLayer: Module {
  /// The weight *w* of each channel: C.
  var scale: Tensor { get }
  /// max(0, normalised `x`), in one pass where the device has a kernel for it.
  func batchNormReLU(_ x: Tensor) -> Tensor
  /// max(0, normalised `x` + `shortcut`), the end of a residual block, in one pass where the device has a kernel for it.
  func batchNormAddReLU(_ x: Tensor, _ shortcut: Tensor) -> Tensor
}

/// Batch normalisation of N×C×H×W over N, H and W (Ioffe and Szegedy 2015), in `groups` groups.
///
/// In training the batch is normalised with its own statistics (variance biased), and the running statistics
/// are updated with momentum 0.1 (variance unbiased, as in PyTorch); in evaluation the running statistics are
/// used.
///
/// With more than one group, group *j* is the samples whose index is ≡ *j* modulo the number of groups, each
/// normalised by itself, as if every group lay on a device of its own; the running statistics follow the mean
/// over the groups. Together with shuffled keys this is MoCo's ShuffleBN (He et al. 2020, section 3.3) on one
/// device. The batch size must be a multiple of the number of groups.
public final class BatchNorm2d: Module, BatchNormLayer {
  public let weight: Parameter  // C, starts at 1
  public let bias: Parameter  // C, starts at 0
  public let runningMean: Buffer  // C
  public let runningVar: Buffer  // C
  public let numBatchesTracked: Buffer  // scalar, int64
  public let groups: Int
  /// The ranks whose batches are normalised together (SyncBN); nil normalises each rank's batch alone.
  public var ranks: ProcessGroup?
  /// Whether ``ranks`` have equal weights, whatever their numbers of values, and the biased variance enters the running
  /// one: the `naiveSyncBN` of MoCo's published detectors. Otherwise the statistics are those of all values together.
  public var weighsRanksEqually = false
  /// Collects the values of training batches while a ``PreciseBatchNorm`` looks on.
  var statistics: BatchStatistics?

  static let momentum = 0.1
  package static let epsilon = 1e-5

  public init(_ channels: Int, groups: Int = 1) {
    precondition(groups > 0, "groups = \(groups) must be at least 1")
    weight = Parameter(.ones([channels]))
    bias = Parameter(.zeros([channels]))
    runningMean = Buffer(.zeros([channels]))
    runningVar = Buffer(.ones([channels]))
    numBatchesTracked = Buffer(.zeros([], dtype: .int64))
    self.groups = groups
  }

  public override func forward(_ x: Tensor) -> Tensor { normalize(x) }

  public var scale: Tensor { weight.tensor }

  public func batchNormReLU(_ x: Tensor) -> Tensor { normalize(x, relu: true) }

  public func batchNormAddReLU(_ x: Tensor, _ shortcut: Tensor) -> Tensor {
    normalize(x, shortcut: shortcut, relu: true)
  }

  private func normalize(_ x: Tensor, shortcut: Tensor? = nil, relu: Bool = false) -> Tensor {
    func finished(_ y: Tensor) -> Tensor {
      let sum = shortcut.map { y + $0 } ?? y
      return relu ? reluInPlace(sum) : sum
    }
    guard isTraining else {
      let y = produce {
        ct_batch_norm(
          $0, x.handle, weight.tensor.handle, bias.tensor.handle, runningMean.tensor.handle,
          runningVar.tensor.handle, false, 0, BatchNorm2d.epsilon)
      }
      return finished(y)
    }
    numBatchesTracked.tensor.add(.one)
    statistics?.add(x)
    if let ranks {
      precondition(groups == 1, "synchronised batch normalisation in \(groups) groups")
      let y = ranks.batchNorm(
        x, weight: weight.tensor, bias: bias.tensor, runningMean: runningMean.tensor,
        runningVar: runningVar.tensor, momentum: BatchNorm2d.momentum, epsilon: BatchNorm2d.epsilon,
        weighsRanksEqually: weighsRanksEqually)
      return finished(y)
    }
    return produce {
      ct_split_batch_norm(
        $0, x.handle, shortcut?.handle, weight.tensor.handle, bias.tensor.handle, runningMean.tensor.handle,
        runningVar.tensor.handle, Int64(groups), BatchNorm2d.momentum, BatchNorm2d.epsilon, relu)
    }
  }
}

extension Module {
  /// From now on every batch normalisation in the module uses all ranks' batches together (SyncBN).
  /// - Parameter weighsRanksEqually: as ``BatchNorm2d/weighsRanksEqually``; of a single rank it changes nothing.
  public func synchronizeBatchNorm(over ranks: ProcessGroup, weighsRanksEqually: Bool = false) {
    guard ranks.rank.count > 1 else { return }
    for module in modules {
      (module as? BatchNorm2d)?.ranks = ranks
      (module as? BatchNorm2d)?.weighsRanksEqually = weighsRanksEqually
      (module as? BatchNorm1d)?.ranks = ranks
    }
  }
}
