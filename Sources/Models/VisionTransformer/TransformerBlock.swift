import Torch

/// x + attention(norm(x)), then x + mlp(norm(x)): N×L×C → N×L×C (Dosovitskiy et al. 2021, equations 2 and 3).
final class TransformerBlock: Module, StochasticDepthBlock {
  let norm1: LayerNorm
  let attn: SelfAttention
  let norm2: LayerNorm
  let mlp: FeedForward
  let dropPaths = [DropPath(), DropPath()]

  /// - Parameters:
  ///   - heads: Of the attention, a divisor of the width.
  ///   - hidden: Channels of the hidden layer.
  ///   - epsilon: Of the layer normalisations.
  ///   - start: The method whose first weights it has.
  init(
    _ width: Int, heads: Int, hidden: Int, epsilon: Double, start: VisionTransformer.Start,
    using generator: Generator
  ) {
    norm1 = LayerNorm(width, epsilon: epsilon)
    attn = SelfAttention(width, heads: heads, start: start, using: generator)
    norm2 = LayerNorm(width, epsilon: epsilon)
    mlp = FeedForward(width, hidden: hidden, using: generator)
  }

  override func forward(_ x: Tensor) -> Tensor {
    let x = x + dropPaths[0](attn(norm1(x)))
    return x + dropPaths[1](mlp(norm2(x)))
  }

  /// The same of the last `count` places alone, which look at all: N×L×C → N×count×C.
  func last(_ count: Int, of x: Tensor) -> Tensor {
    let own = x.suffix(count) + dropPaths[0](attn.last(count, of: norm1(x)))
    return own + dropPaths[1](mlp(norm2(own)))
  }
}

/// Every place looks at every other, in several heads.
final class SelfAttention: Module {
  let qkv: Linear  // C → 3C
  let proj: Linear  // C → C
  private let heads: Int

  init(_ width: Int, heads: Int, start: VisionTransformer.Start, using generator: Generator) {
    precondition(width.isMultiple(of: heads), "\(width) channels do not divide into \(heads) heads")
    self.heads = heads
    let outputs = start.attentionOutputs(width: width)
    qkv = Linear(
      weight: Parameter(xavierUniform([3 * width, width], fanIn: width, fanOut: outputs, using: generator)),
      bias: Parameter(.zeros([3 * width])))
    proj = Linear(xavier: width, width, using: generator)
  }

  override func forward(_ x: Tensor) -> Tensor {
    let parts = queriesKeysValues(x)  // 3×N×heads×L×C/heads
    guard x.rank == 3 else { return x }  // undefined after an error, which withTorchErrors reports
    let y = attention(parts.selected(0), parts.selected(1), parts.selected(2))  // N×heads×L×C/heads
    return proj(y.permuted([0, 2, 1, 3]).reshaped(x.shape))
  }

  /// The same of the last `count` places alone, which look at all: N×L×C → N×count×C.
  func last(_ count: Int, of x: Tensor) -> Tensor {
    let shape = x.shape
    guard shape.count == 3 else { return x }  // undefined after an error, which withTorchErrors reports
    let (n, length, width) = (shape[0], shape[1], shape[2])
    func outputs(_ range: Range<Int>, of x: Tensor) -> Tensor {
      linear(x, weight: qkv.weight.tensor.narrowed(range), bias: qkv.bias?.tensor.narrowed(range))
    }
    let q = outputs(0..<width, of: x.suffix(count)).reshaped([n, count, heads, width / heads])
      .permuted([0, 2, 1, 3])  // N×heads×count×C/heads
    let parts = outputs(width..<3 * width, of: x).reshaped([n, length, 2, heads, width / heads])
      .permuted([2, 0, 3, 1, 4])
    let y = attention(q, parts.selected(0), parts.selected(1))  // N×heads×count×C/heads
    return proj(y.permuted([0, 2, 1, 3]).reshaped([n, count, width]))
  }

  /// q, k and v of each head: N×L×C → 3×N×heads×L×C/heads.
  func queriesKeysValues(_ x: Tensor) -> Tensor {
    let shape = x.shape
    guard shape.count == 3 else { return x }  // undefined after an error
    let (n, length, width) = (shape[0], shape[1], shape[2])
    return qkv(x).reshaped([n, length, 3, heads, width / heads]).permuted([2, 0, 3, 1, 4])
  }
}

extension Tensor {
  /// The last `count` places: N×L×C → N×count×C.
  fileprivate func suffix(_ count: Int) -> Tensor {
    let length = shape.count > 1 ? shape[1] : count  // undefined after an error
    return narrowed(length - count..<length, dim: 1)
  }
}

/// Linear, GELU, linear, place by place.
final class FeedForward: Module {
  let fc1: Linear
  let fc2: Linear

  init(_ width: Int, hidden: Int, using generator: Generator) {
    fc1 = Linear(xavier: width, hidden, using: generator)
    fc2 = Linear(xavier: hidden, width, using: generator)
  }

  override func forward(_ x: Tensor) -> Tensor { fc2(gelu(fc1(x))) }
}

extension Linear {
  /// Glorot's uniform weights and a bias of 0.
  convenience init(xavier inputs: Int, _ outputs: Int, using generator: Generator) {
    self.init(
      weight: Parameter(xavierUniform([outputs, inputs], fanIn: inputs, fanOut: outputs, using: generator)),
      bias: Parameter(.zeros([outputs])))
  }
}
