import Foundation
import TestSupport
import Testing
@testable import Torch

/// What is said where NCCL and CUDA graphs cannot be used. None of this needs a GPU, nor the library.
@Suite struct LibraryForCUDA {
  private let remedy = "Build it anew: `scripts/cuda-library`."

  /// A shared library with these C functions; nothing where no compiler is at hand.
  private func compiled(_ source: String) throws -> String? {
    let folder = URL(filePath: temporaryFolder())
    let (code, library) = (folder.appending(path: "x.c"), folder.appending(path: "x.so"))
    try Data(source.utf8).write(to: code)
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = ["cc", "-shared", "-fPIC", code.path, "-o", library.path]
    try compiler.run()
    compiler.waitUntilExit()
    guard compiler.terminationStatus == 0 else {
      print("There is no C compiler here: a library of another version was not tried.")
      return nil
    }
    return library.path
  }

  @Test func itIsLookedForBesideTheProgramAndInTheCheckout() {
    #expect(
      CUDALibrary.places(program: "/x/.build/x86_64-linux/release/moco", environment: [:])
        == ["/x/.build/x86_64-linux/release/libmoco_cuda.so", "/x/.build/cuda/libmoco_cuda.so"])
    #expect(
      CUDALibrary.places(program: "/x/moco", environment: ["MOCO_CUDA_LIBRARY": "/y/z.so"]) == ["/y/z.so"])
  }

  @Test func aMissingOneIsNamedWithTheScriptThatBuildsIt() {
    #expect(
      CUDALibrary.loadError(at: ["/nowhere/a.so", "/nowhere/b.so"])?.description
        == "/nowhere/a.so and /nowhere/b.so: there is no such file. `scripts/cuda-library` builds libmoco_cuda.so, for "
        + "NCCL and CUDA graphs, and MOCO_CUDA_LIBRARY=FILE names one that lies elsewhere.")
  }

  @Test func aFileThatIsNoLibraryIsNamedWithTheLoadersWords() throws {
    let path = temporaryFolder() + "/x.so"
    try Data("this is no library, whatever its name says".utf8).write(to: URL(fileURLWithPath: path))
    let fault = try #require(CUDALibrary.loadError(at: [path])?.description)
    #expect(fault.hasPrefix("\(path): it cannot be loaded with this LibTorch: \(path): "))
    #expect(fault.hasSuffix(". \(remedy)"))
  }

  @Test func aLibraryWithAnOpenSymbolIsNamedWithIt() throws {
    guard let path = try compiled("void of_cuda(void); void *table = of_cuda;") else { return }
    let fault = try #require(CUDALibrary.loadError(at: [path])?.description)
    #expect(
      fault
        == "\(path): it cannot be loaded with this LibTorch: \(path): undefined symbol: of_cuda. \(remedy)")
  }

  @Test func anotherProgramsLibraryIsNamed() throws {
    guard let path = try compiled("int one(void) { return 1; }") else { return }
    #expect(
      CUDALibrary.loadError(at: [path])?.description
        == "\(path): this is no library of moco: it has no function ct_cuda_library. \(remedy)")
  }

  @Test func oneThatWasMadeForAnotherLibTorchIsNamedWithBothVersions() throws {
    let source = """
      static struct { int layout; const char *torch; } table = {1, "2.10.0"};
      void *ct_cuda_library(void *record) { return &table; }
      """
    guard let path = try compiled(source) else { return }
    #expect(
      CUDALibrary.loadError(at: [path])?.description
        == "\(path): it was made for LibTorch 2.10.0, interface 1, and not LibTorch \(Runtime.version), interface 1. \(remedy)"
    )
  }

  @Test(.enabled(if: !hasGPU, "there is a GPU"))
  func withoutAGPUNothingIsLoaded() async throws {
    #expect(CUDALibrary.loadError?.description.hasPrefix("no GPU can be used: ") == true)
    let refusals = try await withRanks(2) { group in
      try group.enableNCCL(.cpu)  // nothing to do
      do {
        try group.enableNCCL(.cuda(0))
        return "connected"
      } catch { return "\(error)" }
    }
    #expect(refusals.count == 2)
    for refusal in refusals { #expect(refusal.hasPrefix("no GPU can be used: ")) }
  }
}
