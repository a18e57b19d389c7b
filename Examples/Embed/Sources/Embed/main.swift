// Embeds a folder of images with a trained encoder and prints the nearest neighbours of each, or of one of them.

import Data
import Foundation
import Torch
import Weights

/// The images that can be read: their places in the data set, and their unit features, N×C.
func embed(_ images: Dataset, with encoder: TrainedEncoder) throws -> (samples: [Int], features: Tensor) {
  let spec = encoder.spec
  let loader = DataLoader(evaluating: images, imageSize: spec.imageSize, batchSize: 64, workers: 2)
  let prepare = ColorAugmenter(imageSize: spec.imageSize, normalization: spec.normalization, device: .cpu)
  var (samples, features): ([Int], [Tensor]) = ([], [])
  while let batch = try loader.next() {
    samples += batch.indices
    features += try withTorchErrors {
      withNoGrad { [l2Normalized(encoder.network.features(prepare(batch.views[0])))] }
    }
  }
  return (samples, try withTorchErrors { .concatenated(features) })
}

/// Prints `count` neighbours of every image, or of the one named `query`: those with the largest cosine.
func printNeighbours(of query: String?, in images: Dataset, by encoder: TrainedEncoder, count: Int) throws {
  let (samples, features) = try embed(images, with: encoder)
  let names = samples.map(images.name)
  let (cosines, rows) = try withTorchErrors {
    let near = features.matmul(features.transposed).topK(min(count + 1, names.count))  // N×(count + 1)
    return (near.values.array(of: Float.self), near.indices.array(of: Int.self))
  }
  let width = cosines.count / names.count
  for (row, name) in names.enumerated() where query == nil || query == name {
    print(name)
    for near in row * width..<(row + 1) * width where rows[near] != row {
      print(String(format: "  %.4f  ", cosines[near]) + names[rows[near]])
    }
  }
}

let arguments = CommandLine.arguments.dropFirst()
guard let checkpoint = arguments.first, let folder = arguments.dropFirst().first, arguments.count <= 3 else {
  print("usage: Embed RUN-OR-CHECKPOINT IMAGES [NAME-OF-ONE]")
  exit(2)
}
do {
  let encoder = try TrainedEncoder(checkpoint)
  let images = try Dataset.open(folder)
  try printNeighbours(of: arguments.dropFirst(2).first, in: images, by: encoder, count: 5)
} catch {
  FileHandle.standardError.write(Foundation.Data("Embed: \(error)\n".utf8))
  exit(1)
}
