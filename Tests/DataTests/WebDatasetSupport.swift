import Foundation

/// `Fixtures/webdataset.json`: what webdataset makes of names, members and patterns.
struct MadeByWebDataset: Decodable {
  struct Name: Decodable {
    var name: String
    /// The key and the field as it stands; nil for both where there is none.
    var parts: [String?]
  }

  struct Shard: Decodable {
    struct Sample: Decodable, Equatable {
      var key: String
      var fields: [String]
    }
    var `case`: String
    var names: [String]
    /// Nil where webdataset refuses the shard.
    var samples: [Sample]?
  }

  struct Pattern: Decodable {
    var pattern: String
    var names: [String]
  }

  var names: [Name]
  var shards: [Shard]
  var patterns: [Pattern]

  static func load() throws -> MadeByWebDataset {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    return try JSONDecoder().decode(
      MadeByWebDataset.self, from: Data(contentsOf: fixtures.appending(path: "webdataset.json")))
  }
}
