import TestSupport
import Testing
import Torch
@testable import Methods
@testable import Models

/// Patches that are hidden, and what is made of them.
@Suite struct MaskedImages {
  private let masking = MaskedReconstruction(maskRatio: 0.75, seed: 3)

  private func order(_ samples: [Int], step: Int = 4, part: Int = 0, seed: UInt64 = 3) -> [[Int]] {
    let x = Tensor.zeros([samples.count, 3, 16, 16])
    let masking = MaskedReconstruction(maskRatio: 0.75, seed: seed)
    let mask = masking.mask(for: ViewBatch([x], samples: samples, step: step, part: part), patches: 16)
    #expect(mask.kept == 4 && mask.count == 16)
    return samples.indices.map { mask.order.selected($0).array(of: Int.self) }
  }

  /// So that neither ranks nor parts of a batch change it, and a resumed run draws the same.
  @Test func aMaskFollowsFromSeedStepAndImageAlone() {
    let all = order([5, 9, 2, 7])
    #expect(all == order([5, 9, 2, 7]))
    #expect(order([2, 7], part: 1) == Array(all[2...]) && order([7]) == [all[3]])
    #expect(Set(all).count == 4 && all.allSatisfy { $0.sorted() == Array(0..<16) })
    for other in [order([5, 9, 2, 7], step: 5), order([5, 9, 2, 7], seed: 4)] {
      #expect(zip(all, other).allSatisfy { $0 != $1 })
    }
  }

  /// 4 of 16 patches in 2,000 draws: each is kept 500 times, give or take 19; 6 deviations are 116.
  @Test func everyPatchIsKeptEquallyOften() {
    var counts = [Int](repeating: 0, count: 16)
    for order in order(Array(0..<2000)) { for patch in order[..<4] { counts[patch] += 1 } }
    #expect(counts.allSatisfy { abs($0 - 500) < 116 }, "\(counts)")
  }

  /// The product of floating-point numbers lies below the whole one.
  @Test func theNumberOfKeptPatchesIsThePublishedOne() {
    #expect(PatchMask.kept(of: 100, ratio: 0.9) == 9)
    #expect(PatchMask.kept(of: 196, ratio: 0.75) == 49 && PatchMask.kept(of: 36, ratio: 0.75) == 9)
  }

  @Test func aMaskSortsBackWhatItHasSorted() {
    let noise = Tensor([0.3, 0.1, 0.9, 0.2, 0.8, 0.7, 0.1, 0.2], shape: [2, 4])
    let mask = PatchMask(noise: noise, keeping: 1)
    #expect(mask.order.array(of: Int.self) == [1, 3, 0, 2, 2, 3, 1, 0])
    #expect(mask.places.array(of: Int.self) == [2, 0, 3, 1, 3, 2, 0, 1])
    #expect(mask.isHidden.array(of: Int.self) == [1, 0, 1, 1, 1, 1, 0, 1])
    let table = formula(salt: 1, shape: [2, 4, 3])
    let sorted = Tensor.concatenated([mask.visible(table), mask.hidden(table)], dim: 1)
    #expect(mask.visible(table).shape == [2, 1, 3] && mask.hidden(table).shape == [2, 3, 3])
    #expect(mask.restored(sorted).array(of: Double.self) == table.array(of: Double.self))
    let first = mask.visible(table.selected(0)).array(of: Double.self)  // a table for both images
    let rows = table.selected(0).array(of: Double.self)
    #expect(first == Array(rows[3..<6]) + Array(rows[6..<9]))
  }

  /// Brute force: number (row·P + column)·3 + channel of patch (y, x).
  @Test func patchesAreTheImagesSquares() {
    let (size, height, width) = (2, 4, 6)
    let x = formula(salt: 2, shape: [2, 3, height, width])
    let (values, cut) = (x.array(of: Double.self), patchified(x, size: size))
    #expect(cut.shape == [2, 6, 12])
    var expected: [Double] = []
    for image in 0..<2 {
      for (top, left) in [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)] {
        for row in 0..<size {
          for column in 0..<size {
            for channel in 0..<3 {
              expected.append(
                values[((image * 3 + channel) * height + top + row) * width + left + column])
            }
          }
        }
      }
    }
    #expect(cut.array(of: Double.self) == expected)
    let square = formula(salt: 3, shape: [2, 3, 6, 6])
    let back = unpatchified(patchified(square, size: 2), size: 2)
    #expect(back.array(of: Double.self) == square.array(of: Double.self))
  }

  /// By hand: mean 2, squares 4 + 0 + 4, unbiased variance 4.
  @Test func pixelsAreNormalisedByTheUnbiasedVarianceOfTheirPatch() {
    let pixels = Tensor([0.0, 2, 4, 7, 7, 7], shape: [1, 2, 3])
    let target = masking.target(pixels).array(of: Double.self)
    let one = 2 / (4 + 1e-6).squareRoot()
    for (ours, expected) in zip(target, [-one, 0, one, 0, 0, 0]) { #expect(abs(ours - expected) < 1e-15) }
    #expect(
      MaskedReconstruction(normalizesPixels: false, seed: 1).target(pixels).array()
        == pixels.array(of: Double.self))
  }
}

@Suite struct MaskedMethods {
  private let generator = Generator(seed: 5)

  private func encoder(_ head: Head? = nil) -> ImageEncoder {
    EncoderSpec(arch: .vitMini, heads: 3, pooling: .average, imageSize: 16, head: head)
      .makeEncoder(freezesProjection: false, start: .mae, using: generator)
  }

  private func makeMAE(normalizesPixels: Bool = true) -> MAE {
    let encoder = encoder()
    return MAE(
      MaskedReconstruction(normalizesPixels: normalizesPixels, seed: 3), encoder: encoder,
      decoder: MAEDecoder(.init(width: 24, depth: 1, heads: 3), behind: encoder.transformer, using: generator)
    )
  }

  private func makeMoCoMAE() -> MoCoMAE {
    let head = Head.biasedMLP(hidden: 24, outputs: 16)
    let (encoders, predictor) = (
      (query: encoder(head), key: encoder(head)), head.makeLayers(inputs: 16, using: generator)
    )
    return MoCoMAE(
      .init(temperature: 0.2), MaskedReconstruction(seed: 3),
      queue: KeyQueue(capacity: 12, dimension: 16, using: generator), predictor: predictor,
      decoder: MAEDecoder(
        .init(width: 24, depth: 1, heads: 3), behind: encoders.query.transformer, using: generator),
      encoders: encoders)
  }

  /// Names in files: the published ones of the decoder.
  @Test func theStateHasThePublishedNames() {
    let method = makeMAE()
    let names = Set(method.state.map(\.name))
    for name in [
      "encoder_q.cls_token", "encoder_q.pos_embed", "encoder_q.blocks.3.mlp.fc2.bias", "mask_token",
      "decoder_pos_embed", "decoder_embed.weight", "decoder_blocks.0.attn.qkv.bias", "decoder_norm.weight",
      "decoder_pred.bias",
    ] { #expect(names.contains(name), "\(name)") }
    let fixed = method.state.filter { $0.kind == .fixed }.map(\.name)
    #expect(fixed.sorted() == ["decoder_pos_embed", "encoder_q.pos_embed"])
    #expect(method.trainable.contains { $0.name == "blocks.0.norm1.weight" })
  }

  /// Positions lie in every file of weights, so that a trained encoder is evaluated with its own.
  @Test func positionsAreSavedAndHaveTheColumnFirst() {
    let encoder = makeMAE().encoderQ
    let saved = encoder.state.first { $0.name == "pos_embed" }?.tensor
    let expected = VisionTransformer.Start.mae.positions(side: 4, width: 192)
    #expect(saved?.array(of: Float.self) == expected.array(of: Float.self))
    let other = EncoderSpec(arch: .vitMini, imageSize: 16).makeEncoder(using: Generator(seed: 1))
    let its = other.state.first { $0.name == "pos_embed" }?.tensor
    #expect(its?.array(of: Float.self) != expected.array(of: Float.self))
    other.copyState(from: encoder)  // as a file is read
    #expect(its?.array(of: Float.self) == expected.array(of: Float.self))
  }

  /// Glorot's bound of the one matrix of 3C×C is √(6/4C); 192·576 numbers come within 1 % of it.
  @Test func firstWeightsAreThePublishedOnes() throws {
    let method = makeMAE()
    func values(_ name: String) throws -> [Float] {
      try #require(method.state.first { $0.name == name }).tensor.array()
    }
    let bound = Float((6.0 / (4 * 192)).squareRoot())
    let largest = try values("encoder_q.blocks.0.attn.qkv.weight").map(abs).max() ?? 0
    #expect(largest <= bound && largest > 0.99 * bound)
    let tokens = try values("encoder_q.cls_token") + values("mask_token")
    let deviation = (tokens.reduce(0) { $0 + $1 * $1 } / Float(tokens.count)).squareRoot()
    #expect(abs(deviation - 0.02) < 0.004)  // 216 draws: a deviation of 5 %, and four of them
    #expect(try values("decoder_pred.bias").allSatisfy { $0 == 0 })
  }

  /// A class token or the mean of the patches, of the image that is not masked.
  @Test func featuresAreOfTheWholeImage() {
    let (encoder, x) = (encoder(), formula(salt: 6, shape: [2, 3, 16, 16]))
    encoder.convert(to: .float64)
    let network = encoder.transformer
    let patches = withNoGrad { network.featureMaps(x)[0] }  // N×C×4×4
    let features = withNoGrad { encoder.features(x) }
    let difference = (features - patches.mean(dims: [2, 3])).abs().max().item()
    #expect(features.shape == [2, 192] && difference < 1e-12)
  }

  @Test(arguments: [false, true])
  func aReconstructionKeepsTheVisiblePatches(normalizesPixels: Bool) {
    let method = makeMAE(normalizesPixels: normalizesPixels)
    let x = formula(salt: 8, shape: [3, 3, 16, 16]).to(.float32)
    let pictures = method.reconstruction(of: x)
    let mask = method.masking.mask(for: ViewBatch([x], step: 0), patches: 16)
    func parts(_ images: Tensor) -> (visible: [Float], hidden: [Float]) {
      let cut = patchified(images, size: 4)
      return (mask.visible(cut).array(), mask.hidden(cut).array())
    }
    let (original, masked, made) = (
      parts(pictures.original), parts(pictures.masked), parts(pictures.reconstructed)
    )
    #expect(pictures.original.array(of: Float.self) == x.array(of: Float.self))
    #expect(masked.visible == original.visible && made.visible == original.visible)
    #expect(masked.hidden.allSatisfy { $0 == 0 })
    #expect(zip(made.hidden, original.hidden).contains { $0 != $1 } && made.hidden.allSatisfy(\.isFinite))
  }

  /// Of a patch that is a single colour, the normalised prediction is scaled by next to nothing: its own colour is left.
  @Test func aNormalisedReconstructionHasTheHiddenPatchsColour() {
    let method = makeMAE()
    let x = Tensor.full(0.5, [1, 3, 16, 16])
    let made = method.reconstruction(of: x).reconstructed.array(of: Float.self)
    #expect(made.allSatisfy { abs($0 - 0.5) < 0.02 })  // predictions of some units by √1e-6
  }

  @Test func onlyHiddenPixelsAreInTheLoss() {
    let method = makeMAE(normalizesPixels: false)
    let x = formula(salt: 9, shape: [2, 3, 16, 16]).to(.float32)
    let batch = ViewBatch([x], samples: [4, 7], step: 2)
    let mask = method.masking.mask(for: batch, patches: 16)
    let network = method.encoderQ.transformer
    let (loss, byHand) = withNoGrad {
      let patches = patchified(x, size: 4)
      let all = method.decoder.predictedEverywhere(network.tokens(of: patches, keeping: mask), mask)
      let each = (all - patches).pow(2).mean(dim: 2)  // N×L
      return (
        method.forward(batch).loss.item(), ((each * mask.isHidden).sum() / mask.isHidden.sum()).item()
      )
    }
    #expect(abs(loss - byHand) < 1e-5 * byHand)  // float32, two orders of summation
  }

  /// What a hidden patch shows changes neither the tokens nor the query.
  @Test func theEncoderDoesNotSeeHiddenPatches() {
    let network = encoder().transformer
    let patches = formula(salt: 10, shape: [1, 16, 48]).to(.float32)
    let mask = PatchMask(noise: Tensor.arange(16, dtype: .float32).reshaped([1, 16]), keeping: 4)
    let other = patches.clone()
    withNoGrad { other.narrowed(4..<16, dim: 1).fill(9) }
    let (a, b) = withNoGrad {
      (network.tokens(of: patches, keeping: mask), network.tokens(of: other, keeping: mask))
    }
    #expect(a.shape == [1, 5, 192] && a.array(of: Float.self) == b.array(of: Float.self))
  }

  @Test func theContrastsWeightIsTwiceTheTemperatureUnlessGiven() {
    #expect(MoCoMAE.Settings(temperature: 0.2).contrastWeight == 0.4)
    #expect(MoCoMAE.Settings(temperature: 0.2, contrastWeight: 0).contrastWeight == 0)
  }

  @Test func keysFollowAndEnterTheQueue() {
    let method = makeMoCoMAE()
    let x = formula(salt: 11, shape: [4, 3, 16, 16]).to(.float32)
    method.beforeForward(momentum: 0.9)
    let output = method.forward(ViewBatch([x, x * 0.5], samples: [0, 1, 2, 3], step: 0))
    output.loss.backward()
    #expect(method.trainable.allSatisfy { $0.tensor.gradient != nil })
    #expect(output.logits?.shape == [4, 13] && output.keys?.shape == [4, 16])
    method.afterStep([output])
    #expect(method.queue.pointer == 4)
    #expect(
      method.queue.keys.narrowed(0..<4).array(of: Float.self) == output.keys?.array(of: Float.self))
  }

  /// Weights, keys, both moments and the number of steps are all that a step depends on.
  @Test(arguments: [false, true])
  func aResumedRunGoesOnBitForBit(withQueue: Bool) {
    func make() -> (method: any Method, optimizer: AdamW) {
      let method: any Method = withQueue ? makeMoCoMAE() : makeMAE()
      return (method, AdamW(method.trainable.map(\.tensor), beta2: 0.95, decaysVectors: false))
    }
    func step(_ run: (method: any Method, optimizer: AdamW), _ number: Int) -> Double {
      let x = formula(salt: 20 + number, shape: [4, 3, 16, 16]).to(.float32)
      run.method.beforeForward(momentum: 0.9)
      let output = run.method.forward(
        ViewBatch([x, x * 0.5], samples: (0..<4).map { 4 * number + $0 }, step: number))
      output.loss.backward()
      run.optimizer.step(learningRate: 0.01)
      run.method.afterStep([output])
      return output.loss.item()
    }
    let (first, second) = (make(), make())
    for number in 0..<2 { _ = step(first, number) }
    second.method.copyState(from: first.method)
    let names = first.method.trainable.map(\.name)
    for (mine, saved) in zip(second.optimizer.state(named: names), first.optimizer.state(named: names)) {
      mine.tensor.copy(from: saved.tensor)
    }
    second.optimizer.restore(steps: first.optimizer.steps)
    second.method.dictionary?.restore(pointer: first.method.dictionary?.pointer ?? 0)
    for number in 2..<4 { #expect(step(first, number) == step(second, number)) }
    for (a, b) in zip(first.method.state, second.method.state) {
      #expect(a.tensor.array(of: Float.self) == b.tensor.array(of: Float.self), "\(a.name)")
    }
  }
}
