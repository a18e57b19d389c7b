import Images

/// A pair of IDX files: all images are in memory.
struct IDXSamples: PixelSource {
  var file: String
  var images: IDXImages
  /// One an image, or empty.
  var labels: [UInt8]

  var count: Int { images.count }
  func label(_ index: Int) -> Int? { labels.isEmpty ? nil : Int(labels[index]) }
  func name(_ index: Int) -> String { "\(file)#\(index)" }
  func image(_ index: Int) -> RGBImage { images[index] }
}

/// CIFAR batches one after the other: all images are in memory.
struct CIFARSamples: PixelSource {
  var files: [String]
  var batches: [CIFARBatch]
  /// Where each batch begins.
  private var starts: [Int]
  let count: Int

  init(files: [String], batches: [CIFARBatch]) {
    precondition(files.count == batches.count, "\(files.count) files and \(batches.count) batches")
    self.files = files
    self.batches = batches
    var total = 0
    starts = batches.map { batch in
      defer { total += batch.count }
      return total
    }
    count = total
  }

  func label(_ index: Int) -> Int? {
    let (batch, record) = place(index)
    return batches[batch].label(record)
  }
  func name(_ index: Int) -> String {
    let (batch, record) = place(index)
    return "\(files[batch])#\(record)"
  }
  func image(_ index: Int) -> RGBImage {
    let (batch, record) = place(index)
    return batches[batch][record]
  }

  private func place(_ index: Int) -> (batch: Int, record: Int) {
    precondition(index >= 0 && index < count, "image \(index) of \(count)")
    let batch = (starts.lastIndex { $0 <= index }) ?? 0
    return (batch, index - starts[batch])
  }
}
