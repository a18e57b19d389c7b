import Foundation
import Models
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

/// Files with the names and shapes that libraries write (Fixtures/make_library_names.py), each tensor one number in the
/// file.
@Suite struct LibraryNamesTests {
  private struct Fixture: Decodable {
    struct Part: Decodable {
      let prefix: String
      let table: Int
    }
    struct File: Decodable {
      let name: String
      let parts: [Part]
    }
    let shapes: [[Int]]
    let tables: [[String: Int]]
    let files: [File]

    /// Each network on a storage of its own.
    func tensors(of file: File) -> [(name: String, shape: [Int], storage: Int)] {
      file.parts.enumerated().flatMap { index, part in
        tables[part.table].sorted { $0.key < $1.key }.map { (part.prefix + $0.key, shapes[$0.value], index) }
      }
    }
  }

  struct Case: Sendable {
    let file: String
    let arch: Architecture
    let library: WeightsLibrary?
    let prefix: String
    /// The key encoder's, and the word for it.
    var key: (prefix: String, word: String)?
    var isSmall = false
    var head = HeadKind.missing
  }

  private static let cases: [Case] = [
    Case(
      file: "lightly 1.6.0, MoCo example", arch: .resnet18, library: .lightly, prefix: "backbone.",
      key: ("backbone_momentum.", "key")),
    Case(
      file: "children without pooling, 3×3 stem", arch: .resnet18, library: nil, prefix: "f.", isSmall: true),
    Case(
      file: "solo-learn 1.0.2", arch: .resnet18, library: .soloLearn, prefix: "state_dict.encoder.",
      key: ("state_dict.momentum_encoder.", "key"), isSmall: true),
    Case(
      file: "solo-learn 1.0.6", arch: .resnet18, library: .soloLearn, prefix: "state_dict.backbone.",
      key: ("state_dict.momentum_backbone.", "key"), isSmall: true),
    Case(
      file: "mmselfsup 0.11", arch: .resnet18, library: .mmpretrain, prefix: "state_dict.encoder_q.0.",
      key: ("state_dict.encoder_k.0.", "key")),
    Case(
      file: "mmpretrain 1.2.0, MoCo", arch: .resnet18, library: .mmpretrain, prefix: "state_dict.backbone.",
      key: ("state_dict.encoder_k.module.0.", "key")),
    Case(
      file: "mmpretrain 1.2.0, ViT", arch: .vitSmall, library: .mmpretrain, prefix: "state_dict.backbone."),
    Case(
      file: "VISSL 0.1.6", arch: .resnet18, library: .vissl,
      prefix: "classy_state_dict.base_model.model.trunk._feature_blocks."),
    Case(
      file: "DINO", arch: .vitSmall, library: .dino, prefix: "student.module.backbone.",
      key: ("teacher.backbone.", "teacher")),
    Case(
      file: "lightly-train 0.18.0, DINO", arch: .resnet18, library: .lightlyTrain,
      prefix: "state_dict.student_embedding_model.wrapped_model._features.",
      key: ("state_dict.teacher_embedding_model.wrapped_model._features.", "teacher")),
    Case(
      file: "timm 1.0.31, averaged", arch: .resnet18, library: .timm, prefix: "state_dict.",
      key: ("state_dict_ema.", "ema"), head: .classifier),
    Case(
      file: "BYOL", arch: .resnet18, library: nil, prefix: "online_encoder.net.",
      key: ("target_encoder.net.", "key")),
    Case(
      file: "transformers 5.24.0, ResNet", arch: .resnet18, library: .transformers, prefix: "resnet.",
      head: .classifier),
    Case(
      file: "transformers 5.24.0 and 4.57.0, ViT on disk", arch: .vitSmall, library: .transformers,
      prefix: "vit.",
      head: .classifier),
    Case(
      file: "transformers 5.24.0, ViT in memory", arch: .vitSmall, library: .transformers, prefix: "vit.",
      head: .classifier),
    Case(
      file: "torchvision 0.26.0, vit_b_16", arch: .vitBase, library: .torchvision, prefix: "",
      head: .classifier),
  ]

  private static func libraries() throws -> Fixture {
    try JSONDecoder().decode(
      Fixture.self, from: Data(bytes(at: fixture("library_names.json"))))
  }

  @Test func everyFileOfTheFixtureIsTried() throws {
    #expect(try Self.libraries().files.map(\.name) == Self.cases.map(\.file))
  }

  @Test(arguments: cases)
  func theNetworkOfALibraryIsFoundWhole(_ item: Case) throws {
    let libraries = try Self.libraries()
    let file = try #require(libraries.files.first { $0.name == item.file })
    try withFile(Pickle.file(libraries.tensors(of: file))) { path in
      let weights = try WeightsFile(path)
      let found = try ImportedEncoder(in: weights)
      #expect(found.spec.arch == item.arch && found.prefix == item.prefix && found.library == item.library)
      #expect(found.head == item.head && found.filled.isEmpty)
      #expect(found.spec.arch.isTransformer || found.spec.stem == (item.isSmall ? .cifar : .imageNet))
      #expect(found.partner?.prefix == item.key?.prefix && found.partner?.word == item.key?.word)
      // All of the network has a source, and what is left has no place in it.
      let counters = found.spec.tensors.count { $0.isCounter }
      #expect(counters == 0 || counters == 20)
      #expect(found.unmatched.isEmpty, "\(found.unmatched)")
      guard let key = item.key else { return }
      let other = try ImportedEncoder(in: weights, role: .key)
      #expect(other.prefix == key.prefix && other.spec == found.spec)
      #expect(other.partner?.prefix == item.prefix)
      let byPrefix = try ImportedEncoder(in: weights, prefix: String(key.prefix.dropLast()))
      #expect(byPrefix.prefix == key.prefix)
    }
  }

  /// The landmarks by which networks are found are tensors of every architecture.
  @Test(arguments: Architecture.allCases)
  func ownLandmarksAreInEveryNetwork(arch: Architecture) {
    let names = EncoderSpec(arch: arch, imageSize: 32).tensors.map(\.name)
    #expect(OwnNames().landmarks.contains { names.contains($0.first) && names.contains($0.block) })
  }
}

extension Pickle {
  /// Tensors of any shape, each on the one number of a storage.
  /// - Parameter arch: a text beside them.
  static func file(_ tensors: [(name: String, shape: [Int], storage: Int)], arch: String? = nil) throws
    -> [UInt8]
  {
    var pickle = Pickle()
    pickle.operations("}")
    if let arch {
      pickle.text("arch")
      pickle.text(arch)
      pickle.operations("s")
    }
    for (name, shape, storage) in tensors {
      pickle.text(name)
      pickle.tensor(shape: shape, strides: shape.map { _ in 0 }, offset: 0, storage: 1, key: "\(storage)")
      pickle.operations("s")
    }
    pickle.operations(".")
    let storages = Set(tensors.map(\.storage)).sorted().map { ("x/data/\($0)", [0, 0, 0, 0] as [UInt8]) }
    return try zipFile([("x/data.pkl", pickle.bytes), ("x/version", [0x33])] + storages)
  }
}
