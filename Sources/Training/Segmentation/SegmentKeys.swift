import Data
import Methods
import Models

/// A key of a segmenter's configuration.
package typealias SegmentKey<Value: KeyValue> = ConfigKey<SegmentConfig, Value>

/// The keys of a segmenter's training that other tasks do not have, in the order of its YAML file.
package struct SegmentKeys: Sendable {
  package static let table = SegmentKeys()

  // The network.
  package let arch = SegmentKey<Architecture>.backbone(SegmenterSpec.architectures)
  package let norm = SegmentKey<DetectorSpec.Norm>.norm(.sync)
  package let freezeAt = SegmentKey<Int>.freezeAt
  package let headChannels = SegmentKey(
    "head-channels", 256, "Channels of the head's two 3×3 convolutions.", "n",
    allowed: { (1...65_536).contains($0) }, else: "1 to 65,536.")
  package let headDilation = SegmentKey(
    "head-dilation", 6, "Their dilation.", "n", allowed: { (1...64).contains($0) }, else: "1 to 64.")
  package let alignCorners = SegmentKey(
    "align-corners", false,
    "Where logits are enlarged to the image, the corners' centres stay in place; otherwise the edges do.")

  // Images.
  package let scaleRange = SegmentKey(
    "scale-range", KeyList<Double>([0.5, 2]),
    "An image is scaled by a factor of this range, which is drawn; sizes are those of the image.", "factors",
    allowed: { SegmentConfig.isRange($0.all) },
    else: "two factors, the smaller first, above 0 and up to 16.")
  package let cropSize = SegmentKey(
    "crop-size", 513,
    "The side of the square that is cut out of the scaled image; missing pixels have the mean colour and no label.",
    "pixels", allowed: { (17...4096).contains($0) }, else: "17 to 4,096.")
  package let flip = SegmentKey<Double>.flip
  package let tileSize = SegmentKey(
    "tile-size", Int?.none,
    "Test images with a longer side are tested in tiles of this side, which overlap by a third or more; whole unless given.",
    "pixels", allowed: { (33...16_384).contains($0 ?? 33) }, else: "33 to 16,384.", changesResult: false)
  package let maxLeftOut = SegmentKey<Fraction>.maxLeftOut
}
