import Foundation
import Images
import SwiftProtobuf

/// A file of events for TensorBoard: `events.out.tfevents.SECONDS.HOST` in a run's folder.
///
/// TensorBoard reads all such files of a folder in the order of their names, as one run. Each event is one
/// unbuffered write to the file; an incomplete event of a killed process is at the end of its file, and is
/// skipped.
package final class EventFile {
  package let path: String
  private let file: FileHandle

  private static let prefix = "events.out.tfevents."

  /// Makes a new file that continues the run after `step`; 0 begins one.
  ///
  /// TensorBoard then drops the later steps of earlier files: they run again.
  ///
  /// - Throws: Foundation's error of the file, with the system's below it.
  package init(in folder: String, resumingFrom step: Int) throws {
    // Later than every file there, even within one second or after the clock was set back. If the folder
    // cannot be listed, writing most likely fails too, with the reason.
    let times = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasPrefix(EventFile.prefix) }
      .compactMap { UInt32($0.dropFirst(EventFile.prefix.count).prefix { $0 != "." }) }
    let time = max(Int(Date().timeIntervalSince1970), Int(times.max() ?? 0) + 1)
    path = "\(folder)/\(EventFile.prefix)\(time).\(ProcessInfo.processInfo.hostName)"
    let url = URL(fileURLWithPath: path)
    try Data().write(to: url, options: .withoutOverwriting)
    file = try FileHandle(forWritingTo: url)
    // From version 2 on a session's start has that meaning.
    try write(.fileVersion("brain.Event:2"), step: 0)
    try write(.sessionLog(.with { $0.status = .start }), step: step + 1)
  }

  deinit { try? file.close() }

  /// Adds a point to each of the curves, in single precision.
  package func write(scalars: [(tag: String, value: Double)], step: Int) throws {
    let values = scalars.map { scalar in
      Summary.Value.with {
        $0.tag = scalar.tag
        $0.simpleValue = Float(scalar.value)
      }
    }
    try write(values, step: step)
  }

  /// Adds a text in Markdown.
  package func write(text: String, tag: String, step: Int) throws {
    let value = Summary.Value.with {
      $0.tag = tag
      $0.metadata.pluginData.pluginName = "text"
      $0.tensor.dtype = .string
      $0.tensor.shape.dimensions = [.with { $0.size = 1 }]
      $0.tensor.stringValues = [Data(text.utf8)]
    }
    try write([value], step: step)
  }

  /// Adds a picture.
  package func write(image: RGBImage, tag: String, step: Int) throws {
    let png = try image.pngData()
    let value = Summary.Value.with {
      $0.tag = tag
      $0.image.height = Int32(image.height)
      $0.image.width = Int32(image.width)
      $0.image.colorspace = 3
      $0.image.encodedImageString = png
    }
    try write([value], step: step)
  }

  private func write(_ values: [Summary.Value], step: Int) throws {
    try write(.summary(.with { $0.value = values }), step: step)
  }

  private func write(_ what: Event.OneOf_What, step: Int) throws {
    let event = Event.with {
      $0.wallTime = Date().timeIntervalSince1970
      $0.step = Int64(step)
      $0.what = what
    }
    let bytes: [UInt8] = try event.serializedBytes()
    try file.write(contentsOf: Data(record(bytes)))
  }
}
