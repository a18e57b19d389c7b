import Images

/// The samples of a data set, by number. Every function may be called from any number of threads at once.
package protocol SampleSource: Sendable {
  var count: Int { get }
  /// Of one kind for all samples; known without reading the image.
  func annotation(_ index: Int) -> Annotation
  func name(_ index: Int) -> String
  /// The image's file, valid until `scratch` reads the next; nil where images are kept as pixels.
  func file(_ index: Int, using scratch: DecodeScratch) throws -> UnsafeRawBufferPointer?
  /// The image where there is no file to it.
  func image(_ index: Int) throws -> RGBImage
}

/// Images that are kept as pixels.
package protocol PixelSource: SampleSource {}

extension PixelSource {
  package func file(_ index: Int, using scratch: DecodeScratch) -> UnsafeRawBufferPointer? { nil }
}

/// Images that are kept as files.
package protocol FileSource: SampleSource {}

extension FileSource {
  package func image(_ index: Int) throws -> RGBImage { preconditionFailure("sample \(index) has a file") }
}
