import Foundation
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

/// Files that PyTorch and numpy wrote (Fixtures/torch_files.py), whose tensors hold 0, 1, 2, … unless said otherwise.
@Suite struct TorchFileTests {
  private static let shapes: [(name: String, dtype: DType, shape: [Int], values: [Double])] = [
    ("args.tensor", .float32, [2], [0, 1]),
    ("state_dict.module.float32", .float32, [2, 3], [0, 1, 2, 3, 4, 5]),
    ("state_dict.module.float64", .float64, [2], [0, 1]),
    ("state_dict.module.float16", .float16, [3], [0, 1, 2]),
    ("state_dict.module.bfloat16", .bfloat16, [3], [0, 1, 2]),
    ("state_dict.module.int64", .int64, [], [-0x1p40]),
    ("state_dict.module.int32", .int64, [2], [-5, 7]),
    ("state_dict.module.int16", .int64, [2], [-300, 300]),
    ("state_dict.module.int8", .int64, [2], [-3, 3]),
    ("state_dict.module.uint8", .uint8, [4], [0, 1, 2, 3]),
    ("state_dict.module.bool", .bool, [2], [1, 0]),
    ("state_dict.module.empty", .float32, [0, 3], []),
    ("state_dict.module.base", .float32, [4, 6], (0..<24).map(Double.init)),
    ("state_dict.module.view", .float32, [2, 3], [8, 9, 10, 14, 15, 16]),
    (
      "state_dict.module.transposed", .float32, [6, 4],
      (0..<6).flatMap { column in (0..<4).map { Double($0 * 6 + column) } }
    ),
    ("state_dict.module.expanded", .float32, [3, 2], [0, 1, 0, 1, 0, 1]),
    ("state_dict.module.channels_last", .float32, [2, 3, 2, 2], (0..<24).map(Double.init)),
    ("state_dict.module.parameter", .float32, [2], [0, 1]),
    ("optimizer.state.0.momentum_buffer", .float32, [2], [0, 1]),
  ]

  @Test(arguments: ["zip.pth", "legacy.pth"])
  func tensorsOfTorchSaveAreFoundByTheirPath(_ name: String) throws {
    let file = try WeightsFile(fixture(name))
    #expect(file.entries.map(\.name) == Self.shapes.map(\.name))
    for (entry, wanted) in zip(file.entries, Self.shapes) {
      #expect(entry.dtype == wanted.dtype && entry.shape == wanted.shape, "\(entry.name)")
      let tensor = try file.tensor(entry.name)
      #expect(tensor.shape == wanted.shape && tensor.dtype == wanted.dtype, "\(entry.name)")
      #expect(tensor.array(of: Double.self) == wanted.values, "\(entry.name)")
    }
  }

  @Test(arguments: ["numpy-protocol2.pkl", "numpy-protocol4.pkl", "numpy-protocol5.pkl"])
  func arraysOfNumpyAreRead(_ name: String) throws {
    let file = try WeightsFile(fixture(name))
    #expect(
      file.entries == [
        .init(name: "model.weights", dtype: .float32, shape: [2, 128]),
        .init(name: "model.columns", dtype: .float64, shape: [2, 3]),
        .init(name: "model.bytes", dtype: .uint8, shape: [256]),
        .init(name: "model.count", dtype: .int64, shape: []),
        .init(name: "model.flags", dtype: .bool, shape: [2]),
      ])
    #expect(try file.tensor("model.weights").array() == (0..<256).map(Float.init))
    #expect(try file.tensor("model.columns").array() == (0..<6).map(Double.init))
    #expect(try file.tensor("model.bytes").array() == Array(0...255) as [UInt8])
    #expect(try file.tensor("model.count").array() == [7] as [Int])
    #expect(try file.tensor("model.flags").array() == [true, false])
  }

  @Test func safetensorsAreReadToo() throws {
    let file = try WeightsFile(fixture("plain.safetensors"))
    #expect(file.entries == [.init(name: "a", dtype: .float32, shape: [2])])
    #expect(try file.tensor("a").array() == [1, 2] as [Float])
  }

  @Test func whatIsNoFileOfWeightsIsSaidSo() throws {
    for bytes in [[], [0x50], Array("GIF89a".utf8), [UInt8](repeating: 0, count: 100)] as [[UInt8]] {
      try withFile(bytes) { path in
        let error = try failure(InterchangeError.self) { _ = try WeightsFile(path) }
        #expect(
          error.description
            == "\(path) is no file of weights: neither PyTorch's (.pth), a pickle (.pkl) nor safetensors. "
            + "Check the path.")
      }
    }
  }

  private let mixed: [(name: String, tensor: Tensor)] = [
    ("conv1.weight", Tensor((0..<12).map(Float.init), shape: [2, 3, 1, 2])),
    ("bn1.num_batches_tracked", Tensor([-7], shape: [])),
    ("layer1.0.downsample.1.bias", Tensor([1.5, -2.5] as [Double]).to(.bfloat16)),
    ("fc.weight", .zeros([0, 3])), ("fc.bias", Tensor([1, 2] as [UInt8])),
  ]

  @Test(arguments: [ExportFormat.torchvision, .timm, .safetensors])
  func whatIsWrittenIsReadBack(_ format: ExportFormat) throws {
    try withFolder { folder in
      let path = joined(folder, "x.pth")
      try format.write(mixed, to: path)
      let file = try WeightsFile(path)
      #expect(Set(file.entries.map(\.name)) == Set(mixed.map(\.name)))
      for (name, tensor) in mixed {
        let back = try file.tensor(name)
        #expect(back.shape == tensor.shape && back.dtype == tensor.dtype, "\(name)")
        #expect(back.withUnsafeBytes(Array.init) == tensor.withUnsafeBytes(Array.init), "\(name)")
      }
    }
  }

  @Test func entriesOfAWrittenZipAreAligned() throws {
    try withFolder { folder in
      let path = joined(folder, "x.pth")
      try ExportFormat.torchvision.write(mixed, to: path)
      let entries = try ZipArchive(FileReader(path)).entries.values
      #expect(entries.count == 3 + mixed.count)
      #expect(entries.allSatisfy { $0.range.lowerBound.isMultiple(of: 64) })
      // Equal weights give equal bytes.
      let first = try bytes(at: path)
      try ExportFormat.timm.write(mixed, to: path)
      #expect(try bytes(at: path) == first)
    }
  }

  @Test func detectron2HasTheBackboneByItsNames() throws {
    try withFolder { folder in
      let path = joined(folder, "x.pkl")
      try ExportFormat.detectron2.write(mixed, to: path)
      let file = try WeightsFile(path)
      #expect(
        file.entries == [
          .init(name: "model.stem.conv1.weight", dtype: .float32, shape: [2, 3, 1, 2]),
          .init(name: "model.stem.conv1.norm.num_batches_tracked", dtype: .int64, shape: []),
          // numpy has no bfloat16.
          .init(name: "model.res2.0.shortcut.norm.bias", dtype: .float32, shape: [2]),
        ])
      #expect(try file.tensor("model.stem.conv1.weight").array() == (0..<12).map(Float.init))
      #expect(try file.tensor("model.res2.0.shortcut.norm.bias").array() == [1.5, -2.5] as [Float])
    }
  }
}
