import Torch

extension LabelMap {
  /// The objects of an image filled with their classes, which count from `background` + 1 on.
  ///
  /// Pixels of two objects, even of one class, belong to none and are ignored, as in torchvision's reference conversion
  /// of COCO for segmentation. Crowds are ignored whole: their outlines hold other things too.
  init(objects: [AnnotatedObject], height: Int, width: Int, background: UInt8) {
    var labels = [UInt8](repeating: background, count: height * width)
    labels.withUnsafeMutableBufferPointer { labels in
      for object in objects {
        guard let mask = object.mask?.runLengths(height: height, width: width) else { continue }
        let label = object.isCrowd ? LabelMap.ignored : background + UInt8(1 + object.classIndex)
        mask.forEachPixel { pixel in
          labels[pixel] = labels[pixel] == background ? label : LabelMap.ignored
        }
      }
    }
    self.init(height: height, width: width, labels: labels)
  }
}

extension RunLengthMask {
  /// The places of its pixels, row by row counted, in the order of its runs.
  fileprivate func forEachPixel(_ body: (Int) -> Void) {
    var place = 0
    for (number, run) in counts.enumerated() {
      if number % 2 == 1 {
        for pixel in place..<place + Int(run) { body(pixel % height * width + pixel / height) }
      }
      place += Int(run)
    }
  }
}
