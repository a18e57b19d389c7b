import Files
import Foundation
import Torch

/// A small set's images on the training device, all of one size, so that nothing is decoded or copied in training.
package final class DeviceCache {
  let dataset: Dataset
  /// N×H×W×3 bytes; black where an image could not be read.
  private let pixels: Tensor
  private let isBad: [Bool]
  /// Images that could not be read.
  package let badFiles: [BadFile]
  private let width: Int
  private let height: Int

  /// Decodes everything. Nil if the images are of several sizes or need more than `limit` bytes.
  ///
  /// - Parameters:
  ///   - dataset: The images.
  ///   - device: Where they will be kept.
  ///   - limit: Bytes of pixels.
  ///   - maxBad: More unreadable images than this share are an error.
  /// - Throws: ``LoaderError``, and errors that are no image's.
  package init?(_ dataset: Dataset, on device: Device, limit: Int, maxBad: Fraction = .fivePercent) throws {
    guard dataset.shards?.isRandomAccess ?? true,
      let first = (0..<dataset.count).lazy.compactMap({ try? dataset.image($0) }).first
    else { return nil }
    let bytes = first.pixels.count
    guard bytes.multipliedReportingOverflow(by: dataset.count).overflow == false,
      bytes * dataset.count <= limit
    else { return nil }
    let memory = PinnedBuffer(bytes * dataset.count, for: device)
    guard let bad = try dataset.decodeAll(into: memory.bytes, width: first.width, height: first.height) else {
      return nil
    }
    var record = BadFileRecord(count: dataset.count, allowed: maxBad)
    try record.record(seen: dataset.count, bad: bad)
    var isBad = [Bool](repeating: false, count: dataset.count)
    for file in bad { isBad[file.sample] = true }

    self.dataset = dataset
    self.isBad = isBad
    badFiles = bad
    (width, height) = (first.width, first.height)
    pixels = try withTorchErrors {
      Tensor.withBorrowed(
        memory.bytes, dtype: .uint8, shape: [dataset.count, first.height, first.width, 3]
      ) { device == .cpu ? $0.clone() : $0.to(device) }
    }
  }

  /// One view a transform: B×H×W×3 bytes on the device. The draws are those of a ``DataLoader``'s batch.
  func views(_ samples: [Int], _ transforms: [Transform], seed: UInt64, epoch: Int) throws -> [Tensor] {
    let shown = try samples.map { try substitute($0, seed: seed, epoch: epoch) }
    let chosen = pixels.indexSelected(Tensor(shown, on: pixels.device))
    // As many at once as take about 64 MB in float64.
    let together = max(1, 8_000_000 / (3 * width * height))
    return transforms.enumerated().map { view, transform in
      let geometries = samples.map {
        transform.geometry(seed: seed, epoch: epoch, sample: $0, view: view, width: width, height: height)
      }
      let parts = stride(from: 0, to: samples.count, by: together).map { start in
        let part = start..<min(start + together, samples.count)
        return crops(of: chosen.narrowed(part), Array(geometries[part]), transform.shape)
      }
      return parts.count == 1 ? parts[0] : .concatenated(parts)
    }
  }

  /// Another sample for a bad one, as a loader draws it.
  private func substitute(_ sample: Int, seed: UInt64, epoch: Int) throws -> Int {
    guard isBad[sample] else { return sample }
    let others = dataset.substitutes(for: sample, seed: seed, epoch: epoch)
    if let other = others.first(where: { !isBad[$0] }) { return other }
    throw LoaderError.noSubstitute(badFiles.first { $0.sample == sample } ?? badFiles[0])
  }
}

extension Dataset {
  /// Writes all images one after the other. Nil if one has another size.
  ///
  /// - Returns: Those that cannot be read.
  fileprivate func decodeAll(
    into memory: UnsafeMutableRawBufferPointer, width: Int, height: Int
  ) throws -> [BadFile]? {
    let bytes = width * height * 3
    // Each image is written by one thread, to its own place.
    nonisolated(unsafe) let memory = memory
    let threads = Cores.usable
    do {
      return try inParallel(count, threads: threads) { index -> BadFile? in
        let place = UnsafeMutableRawBufferPointer(rebasing: memory[index * bytes..<(index + 1) * bytes])
        do {
          let image = try image(index)
          guard image.width == width, image.height == height else { throw OtherSize() }
          image.withUnsafeBytes { place.copyMemory(from: $0) }
          return nil
        } catch  where isFileToBlame(error) {
          place.initializeMemory(as: UInt8.self, repeating: 0)
          return BadFile(sample: index, of: self, error)
        }
      }.compactMap { $0 }
    } catch is OtherSize {
      return nil
    }
  }

  private struct OtherSize: Error {}
}
