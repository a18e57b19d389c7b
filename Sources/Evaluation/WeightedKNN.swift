import Torch

/// Classification by the nearest neighbours of a bank, weighted by similarity: Wu et al. 2018
/// ("Unsupervised Feature Learning via Non-Parametric Instance Discrimination"), section 3.4.
///
/// Similarity s is the cosine. Each of the k nearest votes for its class with exp(s/τ).
public struct WeightedKNN: Sendable {
  public var k: Int
  public var temperature: Double
  public var device: Device

  public init(k: Int = 200, temperature: Double = 0.1, on device: Device = .cpu) {
    self.k = k
    self.temperature = temperature
    self.device = device
  }

  public struct Result: Equatable, Sendable {
    /// Queries whose class got the most votes, in per cent: 0...100.
    public let top1: Double
    /// Queries whose class is among the five with the most votes, in per cent: 0...100.
    public let top5: Double
    /// The class with the most votes, one per query.
    public let predictions: [Int]
  }

  public func evaluate(bank: LabelledFeatures, queries: LabelledFeatures, classes: Int) throws -> Result {
    fatalError()
  }

  /// Bank rows most like each query: for M queries M lists of min(k, N), most similar first.
  public struct Neighbours: Equatable, Sendable {
    public let indices: [[Int]]
    public let similarities: [[Float]]
  }

  public func neighbours(of queries: Tensor, in bank: Tensor) throws -> Neighbours { fatalError() }
}
