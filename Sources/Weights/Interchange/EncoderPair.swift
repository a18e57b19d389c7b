import Models

/// Two networks of one file, of which the second follows the first: query and key encoder, student and teacher, weights
/// and their moving average. By parts of their names' beginnings.
struct EncoderPair {
  let leader: [Substring]
  let follower: [Substring]
  /// The word for the second, as `--encoder` has it.
  let word: String
  /// The library that names them so; nil where several do.
  let library: WeightsLibrary?

  private init(_ leader: String, _ follower: String, _ word: String = "key", _ library: WeightsLibrary? = nil)
  {
    (self.leader, self.follower, self.word, self.library) = (leader.parts, follower.parts, word, library)
  }

  /// More particular ones stand before. `module` and the like do not count.
  private static let all = [
    EncoderPair("encoder_q.0", "encoder_k.0", "key", .mmpretrain),
    EncoderPair("backbone", "encoder_k.0", "key", .mmpretrain),
    EncoderPair("encoder_q", "encoder_k", "key", .moco),
    EncoderPair("base_encoder", "momentum_encoder", "key", .mocoV3),
    EncoderPair("backbone", "momentum_backbone", "key", .soloLearn),
    EncoderPair("encoder", "momentum_encoder", "key", .soloLearn),
    EncoderPair("backbone", "backbone_momentum", "key", .lightly),
    EncoderPair("student_backbone", "teacher_backbone", "teacher", .lightly),
    EncoderPair("backbone", "teacher_backbone", "teacher", .lightly),
    EncoderPair("student_embedding_model", "teacher_embedding_model", "teacher", .lightlyTrain),
    EncoderPair("student.backbone", "teacher.backbone", "teacher", .dino),
    EncoderPair("state_dict", "state_dict_ema", "ema", .timm),
    EncoderPair("model", "model_ema", "ema"),
    EncoderPair("model", "ema", "ema"),
    EncoderPair("model", "ema_model", "ema"),
    EncoderPair("encoder", "encoder_ema", "ema"),
    EncoderPair("encoder", "target_encoder", "key"),
    EncoderPair("encoder", "encoder_momentum", "key"),
    EncoderPair("base_model.model", "moco_encoder", "key", .vissl),
    EncoderPair("query_encoder", "key_encoder", "key"),
  ]

  /// Beginnings of one part: `online_encoder` and `target_encoder`.
  private static let stems = [("student", "teacher", "teacher"), ("online", "target", "key")]

  /// The parts of a prefix, without those that only wrap a network.
  private static func parts(_ prefix: String) -> [Substring] {
    prefix.split(separator: ".").filter { $0 != "module" && $0 != "_orig_mod" }
  }

  /// The pairs in which the network of a prefix is the second, each with the first one's parts.
  private static func following(_ prefix: String) -> [(pair: EncoderPair, leader: [Substring])] {
    let parts = parts(prefix)
    var found: [(pair: EncoderPair, leader: [Substring])] = []
    for pair in all {
      let count = pair.follower.count
      guard parts.count >= count else { continue }
      for start in 0...parts.count - count where Array(parts[start..<start + count]) == pair.follower {
        found.append((pair, parts[..<start] + pair.leader + parts[(start + count)...]))
      }
    }
    for (place, part) in parts.enumerated() {
      for (leader, follower, word) in stems where part.hasPrefix(follower) {
        var parts = parts
        parts[place] = leader + part.dropFirst(follower.count)
        found.append((EncoderPair(leader, follower, word), parts))
      }
    }
    return found
  }

  static func isFollower(_ prefix: String) -> Bool { !following(prefix).isEmpty }

  /// The word for a follower, as `--encoder` has it.
  static func word(forFollower prefix: String) -> String { following(prefix).first?.pair.word ?? "key" }

  /// The other network of a prefix among those of a file, and their pair.
  static func partner(of prefix: String, among others: [String]) -> (prefix: String, pair: EncoderPair)? {
    for (pair, leader) in following(prefix) {
      if let other = others.first(where: { parts($0) == leader }) { return (other, pair) }
    }
    let own = parts(prefix)
    for other in others {
      if let match = following(other).first(where: { $0.leader == own }) { return (other, match.pair) }
    }
    return nil
  }
}
