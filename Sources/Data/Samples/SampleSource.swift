import Images

/// Where a data set's images come from. Everything may be called from any number of threads at once.
protocol SampleSource: Sendable {
  var count: Int { get }
  func label(_ index: Int) -> Int?
  func name(_ index: Int) -> String
  /// The image's file, valid until `scratch` reads the next; nil where images are kept as pixels.
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer?
  /// The image where there is no file to it.
  func image(_ index: Int) throws -> RGBImage
}

/// Images that are kept as pixels.
protocol PixelSource: SampleSource {}

extension PixelSource {
  func file(_ index: Int, using scratch: DecodeScratch) -> UnsafeRawBufferPointer? { nil }
}

/// Images that are kept as files.
protocol FileSource: SampleSource {}

extension FileSource {
  func image(_ index: Int) throws -> RGBImage { preconditionFailure("sample \(index) has a file") }
}
