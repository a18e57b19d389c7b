import Images

/// Which part of a data set that is published in two parts. Folders and lists have no parts: one names the part.
public enum DatasetSplit: String, Codable, Sendable, CaseIterable {
  case train, test
}

/// Numbered images with names and perhaps labels. Everything but the pixels is known once it is open.
public struct Dataset: Sendable {
  /// What was recognised.
  public enum Format: String, Sendable, Equatable {
    case classFolders = "class folders"
    case flatFolder = "folder of images"
    case list = "list"
    case idx = "IDX (MNIST family)"
    case cifar10 = "CIFAR-10 binary"
    case cifar100 = "CIFAR-100 binary"

    /// Whether train and test lie side by side in the same folder.
    public var hasSplits: Bool { self == .idx || self == .cifar10 || self == .cifar100 }
  }

  public let format: Format
  /// The part that was opened, where the format has parts.
  public let split: DatasetSplit?
  /// Empty without labels; otherwise a label is an index into it.
  public let classNames: [String]
  private let samples: any SampleSource

  init(_ samples: any SampleSource, format: Format, split: DatasetSplit? = nil, classNames: [String] = []) {
    self.samples = samples
    self.format = format
    self.split = split
    self.classNames = classNames
  }

  public var count: Int { samples.count }
  public var isLabeled: Bool { !classNames.isEmpty }
  /// An index into ``classNames``; nil without labels.
  public func label(_ index: Int) -> Int? { isLabeled ? samples.label(index) : nil }
  /// The file's path, relative to what was opened; for packed formats the file and the image's number in it.
  public func name(_ index: Int) -> String { samples.name(index) }
  /// Reads and decodes; may be called from any number of threads at once.
  public func image(_ index: Int) throws -> RGBImage { try samples.image(index) }

  /// One line for people: "60,000 images, 10 classes, IDX (MNIST family), train split".
  public var summary: String {
    let classes =
      classNames.isEmpty
      ? "no labels" : "\(grouped(classNames.count)) class\(classNames.count == 1 ? "" : "es")"
    let part = split.map { ", \($0.rawValue) split" } ?? ""
    return "\(grouped(count)) images, \(classes), \(format.rawValue)\(part)"
  }
}

/// Where a data set's images come from.
protocol SampleSource: Sendable {
  var count: Int { get }
  func label(_ index: Int) -> Int?
  func name(_ index: Int) -> String
  func image(_ index: Int) throws -> RGBImage
}

/// 1234567 as "1,234,567".
func grouped(_ number: Int) -> String {
  var digits = Array(String(number))
  for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: place) }
  return String(digits)
}
