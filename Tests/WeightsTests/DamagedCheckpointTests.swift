import Foundation
import TestSupport
import Testing
@testable import Files
@testable import Weights

@Suite struct DamagedCheckpointTests {
  private func withTwo(_ body: (_ folder: String, _ store: CheckpointStore) throws -> Void) throws {
    try withFolder { folder in
      let store = try CheckpointStore(folder: folder)
      for step in [10, 20] { try SmallRun(step: step).save(in: store) }
      try body(folder, store)
    }
  }

  private func flip(_ position: Int, of path: String, mask: UInt8 = 0x10) throws {
    var changed = try bytes(at: path)
    changed[position] ^= mask
    try put(changed, at: path)
  }

  @Test(arguments: [
    "model.safetensors": ["conv1.weight", "bn1.num_batches_tracked", "queue"],
    "optimizer.safetensors": ["velocity.0"],
  ])
  func everyFlippedByteOfATensorIsNoticedAndNamed(file: String, tensors: [String]) throws {
    try withTwo { folder, store in
      let path = joined(folder, "step-20/\(file)")
      let whole = try bytes(at: path)
      let entries = try SafetensorsFile(path).entries
      #expect(Set(entries.map(\.name)) == Set(tensors))
      let dataStart = whole.count - (entries.last?.range.upperBound ?? 0)
      for entry in entries {
        for position in entry.range {
          try flip(dataStart + position, of: path)
          let checkpoint = try store.loadLatest()
          try SmallRun(step: 10).expect(checkpoint)
          let damaged = try #require(checkpoint?.damaged)
          #expect(damaged.count == 1)
          guard case .damaged(joined(folder, "step-20"), file, entry.name, _)? = damaged.first else {
            Issue.record("byte \(position) of \(entry.name): \(damaged)")
            continue
          }
          try put(whole, at: path)
        }
      }
    }
  }

  @Test(arguments: ["model.safetensors", "optimizer.safetensors", "state.json"])
  func everyFlippedByteInFrontOfTheTensorsIsNoticed(file: String) throws {
    try withTwo { folder, store in
      let path = joined(folder, "step-20/\(file)")
      let whole = try bytes(at: path)
      let count = file == "state.json" ? whole.count : 8 + Int(whole[0]) + Int(whole[1]) << 8
      for position in 0..<count {
        try flip(position, of: path, mask: 0x01)
        let checkpoint = try store.loadLatest()
        #expect(checkpoint?.state?.step == 10, "byte \(position)")
        guard case .damaged(joined(folder, "step-20"), file, nil, _)? = checkpoint?.damaged.first else {
          Issue.record("byte \(position): \(String(describing: checkpoint?.damaged))")
          continue
        }
        try put(whole, at: path)
      }
    }
  }

  @Test func aDamagedLatestIsDoneWithout() throws {
    try withTwo { folder, store in
      for text in ["", "step-21\n", "../x\n", String(repeating: "x", count: 1000)] {
        try put(Array(text.utf8), at: joined(folder, "latest"))
        let checkpoint = try store.loadLatest()
        try SmallRun(step: 20).expect(checkpoint)
      }
    }
  }

  @Test func aMissingFileIsNamed() throws {
    try withTwo { folder, store in
      try FileManager.default.removeItem(atPath: joined(folder, "step-20/optimizer.safetensors"))
      let checkpoint = try store.loadLatest()
      try SmallRun(step: 10).expect(checkpoint)
      #expect(
        checkpoint?.damaged.first?.description
          == "The checkpoint \(folder)/step-20 is damaged: optimizer.safetensors cannot be read: "
          + "No such file or directory. Use an older one beside it, or copy it again.")
    }
  }

  @Test func theTextNamesTensorFileAndPath() throws {
    try withTwo { folder, store in
      let path = joined(folder, "step-20/model.safetensors")
      try flip(try bytes(at: path).count - 1, of: path)
      let text = try #require(try store.loadLatest()?.damaged.first?.description)
      #expect(
        text.hasPrefix(
          "The checkpoint \(folder)/step-20 is damaged: "
            + "tensor conv1.weight in model.safetensors has the checksum "))
      #expect(text.hasSuffix(": it was changed. Use an older one beside it, or copy it again."))
    }
  }

  @Test func anErrorTellsThatNoneIsGood() throws {
    try withTwo { folder, store in
      for step in [10, 20] { try flip(0, of: joined(folder, "step-\(step)/state.json")) }
      let error = try failure(CheckpointError.self) { _ = try store.loadLatest() }
      #expect(
        error.description
          == """
          no checkpoint in \(folder) is good: \
          The checkpoint \(folder)/step-20 is damaged: state.json does not begin with its checksum. \
          The checkpoint \(folder)/step-10 is damaged: state.json does not begin with its checksum. \
          Copy one back from a backup, or start anew in another --out.
          """)
    }
  }

  @Test func aDamagedOneIsNotCountedAmongThoseThatStay() throws {
    try withTwo { folder, store in
      try SmallRun(step: 30).save(in: store)
      try flip(0, of: joined(folder, "step-30/state.json"))
      #expect(try store.loadLatest()?.state?.step == 20)
      try SmallRun(step: 31).save(in: store)
      #expect(try names(in: folder) == ["latest", "step-20", "step-31"])
    }
  }

  @Test func anotherFormatIsNoDamage() throws {
    try withTwo { folder, store in
      let path = joined(folder, "step-20/state.json")
      let text = String(decoding: try bytes(at: path), as: UTF8.self)
        .replacing("\"format\" : 1", with: "\"format\" : 2")
      let rest = Array(text.utf8)[29...]
      let checksum = rest.withUnsafeBytes { Checksum(of: $0) }
      try put(Array("{\n  \"checksum\" : \"\(checksum)\",".utf8) + rest, at: path)
      let error = try failure(CheckpointError.self) { _ = try store.loadLatest() }
      #expect(
        error.description == "\(path) has format 2; this moco reads format 1. Use the moco that wrote it.")
    }
  }
}
