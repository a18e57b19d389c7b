import Files

/// The images of listed shards that a choice takes, with their labels.
struct ReadShards {
  let images: [ShardImages]
  let labels: Labels
  /// As the first versions of this program read them: empty without labels.
  let olderLabels: [Int32]
  let skipped: [TarReader.Skipped: Int]
  let unread: [String: Int]
  let otherFields: [String: Int]

  struct Labels {
    var labels: [Int32] = []
    /// Labels are indices into it.
    var classNames: [String] = []
    /// Why there are none, as a sentence without its end.
    var problem: String?
  }

  init(_ listings: [ShardListing], _ sources: [ShardSource], _ choice: ImageChoice) {
    var images: [ShardImages] = []
    var labels: [[Int32]] = []
    var numbers: [[Int]?] = []
    var otherFields: [String: Int] = [:]
    for listing in listings {
      let found = choice.pairsByStem ? listing.stemLabels ?? listing.labels : listing.labels
      otherFields.merge(listing.otherFields) { $0 + $1 }
      guard choice.rule == .plain else {
        images.append(listing.images)
        labels.append(found)
        numbers.append(listing.classNumbers)
        continue
      }
      let names = listing.images.names.map { SampleName($0) }
      let places = names.indices.filter { names[$0]?.isPlain == true }
      for case let name? in names where !name.isPlain { otherFields.countOne(name.field, of: 1000) }
      images.append(listing.images.chosen(places))
      labels.append(places.map { found[$0] })
      numbers.append(listing.classNumbers.map { numbers in places.map { numbers[$0] } })
    }
    (self.images, self.otherFields) = (images, otherFields)
    skipped = listings.reduce(into: [:]) { $0.merge($1.skipped) { $0 + $1 } }
    unread = listings.reduce(into: [:]) { $0.merge($1.unread) { $0 + $1 } }
    let folders = images.map { $0.names.map(folderName) }
    self.labels =
      Self.read(labels, listings, folders)
      ?? Self.labels(ofFolders: folders, problem: Self.problem(labels, listings, images, sources, choice))
    let older = numbers.compactMap(\.self)
    olderLabels =
      older.count == numbers.count
      ? older.joined().map(Int32.init) : Self.labels(ofFolders: folders, problem: nil).labels
  }

  /// Those of `.cls` and `.json`; nil unless every image has one, and all are of one kind. Whole numbers are class
  /// numbers; texts are names of classes, sorted by bytes.
  private static func read(
    _ labels: [[Int32]], _ listings: [ShardListing], _ folders: [[String]]
  ) -> Labels? {
    guard !labels.joined().contains(-1), labels.contains(where: { !$0.isEmpty }) else { return nil }
    let used = zip(labels, listings).map { labels, listing in
      Dictionary(uniqueKeysWithValues: Set(labels).map { ($0, listing.labelTexts[Int($0)]) })
    }
    let texts = Set(used.flatMap(\.values))
    let numbers = Dictionary(
      uniqueKeysWithValues: texts.compactMap { text in Int32(text).map { (text, $0) } })
    if numbers.count == texts.count {
      let all = zip(labels, used).flatMap { labels, texts in labels.map { numbers[texts[$0] ?? ""] ?? 0 } }
      return Labels(labels: all, classNames: numberedClassNames(all, folders.flatMap(\.self)))
    }
    guard numbers.isEmpty else { return nil }
    let names = texts.sorted { $0.precedesInBytes($1) }
    let places = Dictionary(uniqueKeysWithValues: zip(names, Int32(0)...))
    let all = zip(labels, used).flatMap { labels, texts in labels.map { places[texts[$0] ?? ""] ?? 0 } }
    return Labels(labels: all, classNames: names)
  }

  private static func labels(ofFolders folders: [[String]], problem: String?) -> Labels {
    let names = Set(folders.joined())
    guard !names.contains(""), names.count > 1 else { return Labels(problem: problem) }
    let classNames = names.sorted { $0.precedesInBytes($1) }
    let numbers = Dictionary(uniqueKeysWithValues: zip(classNames, Int32(0)...))
    return Labels(labels: folders.joined().compactMap { numbers[$0] }, classNames: classNames)
  }

  /// The first image whose label is of another kind than those before it.
  private static func mixture(
    _ labels: [[Int32]], _ listings: [ShardListing], _ images: [ShardImages], _ sources: [ShardSource]
  ) -> String? {
    var areNumbers: Bool?
    for (shard, labels) in labels.enumerated() {
      for (place, label) in labels.enumerated() {
        let text = listings[shard].labelTexts[Int(label)]
        let isNumber = Int32(text) != nil
        guard areNumbers ?? isNumber != isNumber else {
          areNumbers = isNumber
          continue
        }
        return
          "\(sources[shard].shortName)/\(images[shard].names[place]) has the label \(text), and those before it "
          + "have \(isNumber ? "names" : "numbers"); give all images numbers or names"
      }
    }
    return nil
  }

  /// Which image is without a label, and how many are, where others have one; or which has one of another kind.
  private static func problem(
    _ labels: [[Int32]], _ listings: [ShardListing], _ images: [ShardImages], _ sources: [ShardSource],
    _ choice: ImageChoice
  ) -> String {
    let bad = listings.lazy.compactMap(\.badLabel).first.map { "; \($0)" } ?? ""
    let count = labels.reduce(0) { $0 + $1.count }
    let missing = labels.reduce(0) { $0 + $1.count { $0 == -1 } }
    guard missing < count else {
      return "no .cls, and no .json with \"label\", \"class\" or \"cls\", lies beside its images" + bad
    }
    for (shard, labels) in labels.enumerated() {
      guard let place = labels.firstIndex(of: -1) else { continue }
      let name = images[shard].names[place]
      let parts = SampleName(name)
      let key = (choice.pairsByStem ? parts?.stem : parts?.key) ?? name
      return
        "\(grouped(missing)) of \(grouped(count)) images \(missing == 1 ? "has" : "have") no label: "
        + "\(sources[shard].shortName)/\(name) has no \(key).cls and no label in \(key).json"
        + (missing > 1 ? ", and so on" : "") + bad
    }
    return mixture(labels, listings, images, sources) ?? bad
  }
}

/// The folders' names, if each label has one folder and each folder one label; else the numbers.
private func numberedClassNames(_ labels: [Int32], _ folders: [String]) -> [String] {
  var names = (0...Int(labels.max() ?? 0)).map(String.init)
  var folderOfLabel: [Int32: String] = [:]
  for (label, folder) in zip(labels, folders) {
    guard !folder.isEmpty, folderOfLabel[label, default: folder] == folder else { return names }
    folderOfLabel[label] = folder
  }
  guard Set(folderOfLabel.values).count == folderOfLabel.count else { return names }
  for (label, folder) in folderOfLabel { names[Int(label)] = folder }
  return names
}

/// The folder that a member lies in; empty if it lies in none.
private func folderName(_ name: String) -> String {
  let parts = name.split(separator: "/")
  return parts.count > 1 ? String(parts[parts.count - 2]) : ""
}
