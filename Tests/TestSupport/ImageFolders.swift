import Foundation
import Images
import Torch

/// A folder of class folders with PNG images: each a gradient and some noise, all different.
public func makeImageFolder(classes: Int, imagesPerClass: Int, side: Int = 20, seed: UInt64 = 7) throws
  -> String
{
  let root = temporaryFolder()
  for label in 0..<classes {
    let folder = "\(root)/class\(label)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for number in 0..<imagesPerClass {
      var random = CounterGenerator(seed: seed, .weights, label, number)
      let (slope, phase) = (random.index(below: 12), random.index(below: 200))
      let pixels = (0..<side * side * 3).map { i -> UInt8 in
        let (x, y, channel) = (i / 3 % side, i / 3 / side, i % 3)
        return UInt8((phase + slope * (label == 0 ? x : y) + 40 * channel + random.index(below: 30)) % 256)
      }
      let name = String(format: "%@/%03d.png", folder, number)
      try RGBImage(width: side, height: side, pixels: pixels).pngData().write(to: URL(fileURLWithPath: name))
    }
  }
  return root
}

/// Class folders of PNG images that a glance at their colour tells apart: `red`, `green` and `blue` with noise.
public func makeColourFolder(imagesPerClass: Int, side: Int = 20, seed: UInt64 = 3) throws -> String {
  let root = temporaryFolder()
  for (label, name) in ["blue", "green", "red"].enumerated() {
    let folder = "\(root)/\(name)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for number in 0..<imagesPerClass {
      var random = CounterGenerator(seed: seed, .weights, label, number)
      let pixels = (0..<side * side * 3).map { i in
        UInt8(random.index(below: 120) + (i % 3 == 2 - label ? 130 : 0))
      }
      try RGBImage(width: side, height: side, pixels: pixels).pngData()
        .write(to: URL(fileURLWithPath: String(format: "%@/%03d.png", folder, number)))
    }
  }
  return root
}
