import Data
import Files
import Foundation
import Images
import Torch

/// The time to turn a data set's images into two views on one core, stage by stage.
package struct LoaderBenchmark {
  /// Seconds per image, medians over the passes.
  package struct Stages: Sendable, Equatable {
    /// Reading the file's bytes.
    package var read = 0.0
    /// Decoding the part of the picture that both views need.
    package var decode = 0.0
    /// Resizing both views' crops, as bytes.
    package var resize = 0.0
    /// Colours, blur and normalisation of both views, in batches.
    package var color = 0.0
    /// Reading the file and decoding the whole picture: a limit for every loader that decodes pictures.
    package var bareDecode = 0.0

    package var crops: Double { read + decode + resize }
    package var full: Double { crops + color }
  }

  private let dataset: Dataset
  private let transforms: [Transform]
  private let samples: [Int]
  private let batchSize: Int

  /// - Parameters:
  ///   - dataset: The images, stored as separate files.
  ///   - views: One recipe per view.
  ///   - images: The maximum number of images, evenly spaced.
  ///   - batchSize: The number of images in a batch of the colour stage.
  package init(_ dataset: Dataset, views: [Transform], images: Int, batchSize: Int = 32) {
    precondition(images > 0 && batchSize > 0, "\(images) images in batches of \(batchSize)")
    self.dataset = dataset
    transforms = views
    let count = min(images, dataset.count)
    samples = (0..<count).map { $0 * dataset.count / count }
    self.batchSize = min(batchSize, count)
  }

  /// Times this thread, and leaves LibTorch with one thread. Unreadable images are left out.
  package func stages(passes: Int) throws -> (Stages, images: Int) {
    Runtime.threads = 1
    let readable = try samples.filter { sample in
      do {
        _ = try dataset.withPixels(sample, using: DecodeScratch(), region: PixelRegion.whole) { _ in }
        return true
      } catch  where isFileToBlame(error) { return false }
    }
    guard !readable.isEmpty else { throw LoaderError.failed("none of the images can be read") }
    let bench = StageClock(dataset, transforms, batchSize: batchSize)
    let times = try (0..<passes).map { pass in try bench.pass(readable, epoch: pass) }
    func median(_ stage: (Stages) -> Double) -> Double {
      times.map(stage).sorted()[times.count / 2] / Double(readable.count)
    }
    let result = Stages(
      read: median(\.read), decode: median(\.decode), resize: median(\.resize), color: median(\.color),
      bareDecode: median(\.bareDecode))
    return (result, readable.count)
  }

  /// The mean size of the images' files in bytes; nil if they have none of their own.
  package func bytesPerImage() throws -> Double? {
    let scratch = DecodeScratch()
    let sizes = try samples.compactMap { try dataset.fileSize($0, using: scratch) }
    return sizes.isEmpty ? nil : Double(sizes.reduce(0, +)) / Double(sizes.count)
  }

  /// Images per second as crops, from loaders with 1 and with several threads.
  package struct Throughput: Sendable {
    package var one: Double
    package var all: Double
    /// The speed-up of several threads.
    package var ratio: Double
  }

  /// The two take turns of about a second, so that a busy machine slows both; medians over `turns`.
  package func throughput(workers: Int, turns: Int) throws -> Throughput {
    let rates = try (0..<turns).map { _ in
      (one: try throughput(of: 1, batches: 8), all: try throughput(of: workers, batches: 8 * workers))
    }
    func median(_ values: [Double]) -> Double { values.sorted()[turns / 2] }
    return Throughput(
      one: median(rates.map(\.one)), all: median(rates.map(\.all)),
      ratio: median(rates.map { $0.all / $0.one }))
  }

  private func throughput(of workers: Int, batches: Int) throws -> Double {
    let loader = loader(workers: workers)
    // The batches that were made before the start are not counted.
    for _ in 0..<6 { _ = try loader.next() }
    let start = ContinuousClock.now
    for _ in 0..<batches { _ = try loader.next() }
    return Double(batches * batchSize) / ((ContinuousClock.now - start) / .seconds(1))
  }

  /// The process's resources after half of a long pass, and after all of it.
  package struct Soak: Sendable {
    package var images: Int
    package var half: ProcessUse
    package var end: ProcessUse

    /// Growth of the memory in use over the second half.
    package var bytesPerImage: Double { Double(end.memory - half.memory) / Double(images - images / 2) }
  }

  /// Loads this number of images, epoch after epoch, four batches ahead. Nil if the system does not report
  /// its use (it is read from /proc).
  package func soak(images: Int, workers: Int) throws -> Soak? {
    let loader = loader(workers: workers)
    let batches = max(2, images / batchSize)
    for _ in 0..<batches / 2 { _ = try loader.next() }
    guard let half = ProcessUse() else { return nil }
    for _ in batches / 2..<batches { _ = try loader.next() }
    guard let end = ProcessUse() else { return nil }
    return Soak(images: batches * batchSize, half: half, end: end)
  }

  private func loader(workers: Int) -> DataLoader {
    let sampler = EpochSampler(dataset, batchSize: batchSize, seed: 1, shuffleBuffer: 4096)
    return DataLoader(
      dataset, views: transforms, sampler: sampler, workers: workers, prefetch: 4, maxBad: Fraction(value: 1))
  }
}

/// The resources of this process.
package struct ProcessUse: Sendable {
  /// The bytes of resident memory.
  package var memory: Int
  package var threads: Int
  package var openFiles: Int
  /// The most bytes of resident memory so far.
  package var peakMemory: Int

  init?() {
    let files = FileManager.default
    guard let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " "),
      pages.count > 1, let resident = Int(pages[1]),
      let threads = try? files.contentsOfDirectory(atPath: "/proc/self/task").count,
      let open = try? files.contentsOfDirectory(atPath: "/proc/self/fd").count,
      let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let peak = status.firstMatch(of: /VmHWM:\s*([0-9]+) kB/).flatMap({ Int($0.1) })
    else { return nil }
    peakMemory = peak << 10
    (memory, self.threads, openFiles) = (resident * sysconf(Int32(_SC_PAGESIZE)), threads, open)
  }
}

/// One pass over images that measures the time of each stage.
private final class StageClock {
  private let dataset: Dataset
  private let transforms: [Transform]
  private let batchSize: Int
  private let shapes: [ViewShape]
  private let augment: [ColorAugmenter]
  private let scratch = ViewScratch()
  private let batch: [UnsafeMutableRawBufferPointer]
  private var times = LoaderBenchmark.Stages()
  private var last = ContinuousClock.now

  init(_ dataset: Dataset, _ transforms: [Transform], batchSize: Int) {
    self.dataset = dataset
    self.transforms = transforms
    self.batchSize = batchSize
    shapes = transforms.map(\.shape)
    augment = transforms.map { ColorAugmenter($0.shape, normalization: $0.normalization, device: .cpu) }
    batch = transforms.map { .allocate(byteCount: batchSize * $0.shape.bytes, alignment: 64) }
  }

  deinit { batch.forEach { $0.deallocate() } }

  func pass(_ samples: [Int], epoch: Int) throws -> LoaderBenchmark.Stages {
    times = .init()
    for sample in samples {
      lap { _ in }
      try dataset.withPixels(sample, using: scratch.decode, region: PixelRegion.whole) { _ in }
      lap { times.bareDecode += $0 }
    }
    for start in stride(from: 0, to: samples.count, by: batchSize) {
      let group = Array(samples[start..<min(start + batchSize, samples.count)])
      for (row, sample) in group.enumerated() { try crop(sample, epoch: epoch, row: row) }
      try color(group, epoch: epoch)
    }
    return times
  }

  private func crop(_ sample: Int, epoch: Int, row: Int) throws {
    let rows = zip(batch, shapes).map { memory, shape in
      UnsafeMutableRawBufferPointer(rebasing: memory[row * shape.bytes..<(row + 1) * shape.bytes])
    }
    lap { _ in }
    try dataset.withPixels(sample, using: scratch.decode) { width, height in
      lap { times.read += $0 }
      return scratch.draw(transforms, Draw(seed: 1, epoch: epoch, sample: sample), width, height)
    } _: { pixels in
      lap { times.decode += $0 }
      try scratch.write(pixels, transforms, to: rows)
    }
    lap { times.resize += $0 }
  }

  private func color(_ group: [Int], epoch: Int) throws {
    lap { _ in }
    for (view, transform) in transforms.enumerated() {
      let parameters = group.map { transform.colorParameters(seed: 1, epoch: epoch, sample: $0, view: view) }
      let bytes = UnsafeRawBufferPointer(rebasing: batch[view][..<(group.count * shapes[view].bytes)])
      _ = try withTorchErrors { augment[view](bytes, parameters) }
    }
    lap { times.color += $0 }
  }

  private func lap(_ count: (Double) -> Void) {
    let now = ContinuousClock.now
    count((now - last) / .seconds(1))
    last = now
  }
}
