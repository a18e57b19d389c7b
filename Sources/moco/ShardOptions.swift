import ArgumentParser
import Data
import Files

/// The options of every command that reads shards.
struct ShardOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The field of a shard's samples that is the image, as jpg or rgb.png.", valueName: "field"))
  var imageKey: String?

  /// The field in lower case; nil if none is given.
  func field() throws -> String? {
    guard let imageKey else { return nil }
    guard let field = ImageRule.fieldName(imageKey) else {
      throw UsageError(
        "--image-key \(imageKey): give what stands behind the first dot of a member's name, as jpg.")
    }
    return field
  }
}
