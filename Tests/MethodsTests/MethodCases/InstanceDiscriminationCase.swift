import TestSupport
import Testing
import Torch
@testable import Methods

/// Instance discrimination by noise contrast, with the constants of the published code.
enum InstanceDiscriminationCase {
  static func check(_ file: MethodCase) throws {
    let given = try BankCase(file.settings)
    let (settings, bank, images) = (given.settings, given.bank, try given.images)
    let shape = [images.count, try settings.integer("noise")]
    let drawn = wholeNumbers(
      salt: try settings.integer("noise_index_salt"), shape: shape, below: bank.count)
    #expect(try drawn == file.integerRows("noise_indices").flatMap(\.self))
    expectClose(NoiseContrast.constantShare * Double(bank.count), try file.number("z"), "z")

    let outputs = try given.outputs()
    expectClose(outputs, try file.digest("outputs"))
    let v = l2Normalized(outputs)  // N×C
    let scaled = v / (try given.temperature)  // N×C
    let positive = bank.products(scaled, at: bank.indices(images).reshaped([-1, 1]))  // N×1
    let noise = bank.products(scaled, at: Tensor(drawn, shape: shape))  // N×m
    let loss = NoiseContrast(.constant, images: bank.count)(positive, noise: noise)
    expectClose(loss.item(), try file.number("loss"), "loss")
    loss.backward()
    expectClose(try #require(outputs.gradient), try file.digest("gradient"))
    try LocalAggregationCase.expectMoved(given, StepOutput(loss: loss, keys: v.detached()), file)
  }
}
