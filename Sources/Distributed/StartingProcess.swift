import Foundation

/// The process on this machine that started its ranks, such as MPICH's proxy: the nearest ancestor without the
/// variable that it sets. A script may stand between it and a rank.
struct StartingProcess: CustomStringConvertible {
  private let process: pid_t
  /// When it started, because numbers of processes come again; in clock ticks, as text.
  private let start: String

  /// - Parameter variable: The variable that it sets for its children.
  /// - Returns: nil if the system does not show processes (no `/proc`), or if the ancestor is the first process,
  ///   which has adopted the ranks.
  init?(ofChildrenWith variable: String) {
    var process = getppid()
    while process > 1, let variables = FileManager.default.contents(atPath: "/proc/\(process)/environ"),
      String(decoding: variables, as: UTF8.self).split(separator: "\0").contains(where: {
        $0.hasPrefix(variable + "=")
      }), let parent = StartingProcess.field(1, of: process).flatMap({ pid_t($0) })
    {
      process = parent
    }
    guard process > 1, let start = StartingProcess.field(19, of: process) else { return nil }
    (self.process, self.start) = (process, start)
  }

  var description: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)  // Foundation's hostName uses DNS
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return "process \(process) of \(host) since \(start)"
  }

  /// A field of `/proc/N/stat`, counted after the name, which may hold spaces.
  private static func field(_ index: Int, of process: pid_t) -> String? {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.indices.contains(index) ? String(fields[index]) : nil
  }
}
