// Embeds a folder of images with a trained encoder and prints the nearest neighbours of each, or of one of them.

import Data
import Foundation
import Torch
import Weights

/// The images that can be read: their names, and their unit features, N×C.
func embed(_ images: EvaluationImages, with encoder: TrainedEncoder) throws -> ([String], Tensor) {
  var names: [String] = []
  var features: [Tensor] = []
  while let batch = try images.next() {
    names += batch.names
    features.append(
      try withTorchErrors { withNoGrad { l2Normalized(encoder.network.features(batch.images)) } })
  }
  return (names, try withTorchErrors { .concatenated(features) })
}

/// Prints the `count` images with the largest cosine to each image, or to the one named `query`.
func printNeighbours(of query: String?, names: [String], features: Tensor, count: Int) throws {
  let (cosines, rows) = try withTorchErrors {
    let near = features.matmul(features.transposed).topK(min(count + 1, names.count))
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

let arguments = Array(CommandLine.arguments.dropFirst())
guard (2...3).contains(arguments.count) else {
  print("usage: Embed RUN-OR-CHECKPOINT IMAGES [NAME-OF-ONE]")
  exit(2)
}
do {
  let encoder = try TrainedEncoder(arguments[0])
  let images = EvaluationImages(
    try Dataset.open(arguments[1]), imageSize: encoder.spec.imageSize,
    normalization: encoder.spec.normalization)
  let (names, features) = try embed(images, with: encoder)
  try printNeighbours(
    of: arguments.count > 2 ? arguments[2] : nil, names: names, features: features, count: 5)
} catch {
  FileHandle.standardError.write(Foundation.Data("Embed: \(error)\n".utf8))
  exit(1)
}
