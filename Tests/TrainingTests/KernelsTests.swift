import Testing
import Torch

@testable import Training

@Suite struct RunsOnOtherKernels {
  private static let here = "LibTorch 2.11.0, AVX2 kernels, AuthenticAMD family 25 model 1"

  @Test func thePackagesOwnKernelsAreNamedToo() throws {
    let text = try #require(Kernels.here(on: .cpu))
    #expect(text.hasPrefix("LibTorch \(Runtime.version), \(Runtime.cpuCapability) kernels, "))
    #expect(text.hasSuffix(", blocks 6"))
  }

  /// Checkpoints from before there was another are compared with this text.
  @Test func theLibraryOfProductsIsNamedIfItIsNotLibTorchsBLAS() throws {
    let text = try #require(Kernels.here(on: .cpu, products: .blas))
    #expect(!text.contains("products"))
    #expect(
      Kernels.here(on: .cpu, products: .oneDNN)
        == text.replacing(", blocks", with: ", products by oneDNN, blocks"))
    #expect(
      Kernels.here(on: .cpu, products: .own)
        == text.replacing(", blocks", with: ", products by \(ProductLibrary.own), blocks"))
  }

  @Test func aChangeIsSaidInOneLine() {
    let began = "LibTorch 2.11.0, AVX512 kernels, GenuineIntel family 6 model 85"
    #expect(
      Kernels.change(from: began, to: Self.here)
        == "The run began with LibTorch 2.11.0, AVX512 kernels, GenuineIntel family 6 model 85, and goes on with "
        + "LibTorch 2.11.0, AVX2 kernels, AuthenticAMD family 25 model 1. It continues, but not bit for bit.")
    #expect(
      Kernels.change(from: Self.here, to: nil)
        == "The run began with \(Self.here), and goes on with a GPU. It continues, but not bit for bit.")
    #expect(Kernels.change(from: Self.here, to: Self.here) == nil)
  }

  @Test func theProcessorIsReadAsTheKernelWritesIt() {
    let text = """
      processor\t: 0
      vendor_id\t: AuthenticAMD
      cpu family\t: 25
      model\t\t: 1
      model name\t: AMD EPYC

      processor\t: 1
      vendor_id\t: other
      """
    #expect(Kernels.processor(in: text) == "AuthenticAMD family 25 model 1")
    #expect(Kernels.processor(in: "processor\t: 0\nBogoMIPS\t: 50\n") == nil)
  }
}
