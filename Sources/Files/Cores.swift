import Foundation
import Synchronization

/// The processor cores that a process may use: the affinity mask, which launchers and `taskset` set, and the
/// share of them that its control group is given, as containers are.
package struct Cores: Codable, Equatable, Sendable {
  /// The numbers of the cores in the affinity mask, ascending; at least one.
  package var mask: [Int]
  /// The processor time that the control group may use, in cores; nil without a limit.
  package var share: Double?
  /// The machine, and the control group whose limit is ``share``: processes with the same share the cores, or
  /// the time.
  package var machine = "", group = ""

  package init(mask: [Int], share: Double? = nil, machine: String = "", group: String = "") {
    precondition(!mask.isEmpty, "no core")
    (self.mask, self.share, self.machine, self.group) = (mask, share, machine, group)
  }

  /// This process's.
  package static let own: Cores = {
    func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
    let limit = share(of: text("/proc/self/cgroup"), under: "/sys/fs/cgroup")
    // A container that has a namespace of its own calls its group `/`, as all others do.
    let namespace = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/cgroup")
    return Cores(
      mask: mask(in: text("/proc/self/status")) ?? Array(0..<ProcessInfo.processInfo.activeProcessorCount),
      share: limit?.cores,
      // Containers on a machine have names of their own, but one kernel.
      machine: text("/proc/sys/kernel/random/boot_id"),
      group: limit.map { "\($0.group) \(namespace ?? "")" } ?? "")
  }()

  // MARK: - Threads

  /// The threads that compute at the same time: those of a process that has these cores alone, at least 1.
  package var count: Int { limited(mask.count, sharedBy: 1) }

  /// The threads of each of `ranks` processes that may all use these cores.
  package func count(sharedBy ranks: Int) -> Int { limited(mask.count / max(1, ranks), sharedBy: ranks) }

  /// The threads of this process among `ranks`, which count it too. A core is divided among those that may use
  /// it: bound ranks have theirs alone.
  package func count(among ranks: [Cores]) -> Int {
    let here = ranks.filter { $0.machine == machine }
    let parts = mask.map { core in 1 / Double(max(1, here.count { $0.mask.contains(core) })) }
    // Thirds do not add up to 1 exactly.
    return limited(Int(parts.reduce(0, +) + 1e-6), sharedBy: here.count { $0.group == group })
  }

  private func limited(_ threads: Int, sharedBy ranks: Int) -> Int {
    max(1, min(threads, share.map { Int($0 / Double(max(1, ranks)) + 1e-6) } ?? threads))
  }

  /// The threads that this process uses for one task: its cores' count, or its part of them once it has met the
  /// other ranks.
  package static var usable: Int {
    get { part.withLock { $0 } ?? own.count }
    set { part.withLock { $0 = newValue } }
  }

  private static let part = Mutex<Int?>(nil)

  /// As `taskset -c` writes a mask: 0-3,8.
  package var maskText: String {
    var ranges: [ClosedRange<Int>] = []
    for core in mask {
      if let last = ranges.last, last.upperBound + 1 == core {
        ranges[ranges.count - 1] = last.lowerBound...core
      } else {
        ranges.append(core...core)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }

  // MARK: - The system

  /// The affinity mask in the text of `/proc/self/status`; nil where there is none.
  package static func mask(in status: String) -> [Int]? {
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") }) else {
      return nil
    }
    let cores = line.dropFirst("Cpus_allowed_list:".count).split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
      guard let first = ends.first, let last = ends.last, first <= last else { return [] }
      return Array(first...last)
    }
    return cores.isEmpty ? nil : cores
  }

  /// The least processor time, in cores, that a control group or one above it is given, and that one's path;
  /// the highest of several with the same. Nil without a limit.
  /// - Parameters:
  ///   - groups: The text of `/proc/self/cgroup`.
  ///   - root: The folder of the control groups, of version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`).
  package static func share(of groups: String, under root: String) -> (cores: Double, group: String)? {
    func numbers(_ path: String) -> [Double?] {
      ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(whereSeparator: \.isWhitespace)
        .map { Double($0) }
    }
    func ratio(_ quota: Double?, _ period: Double?) -> Double? {
      guard let quota, let period, quota > 0, period > 0 else { return nil }
      return quota / period
    }
    func ofVersion2(_ folder: String) -> Double? {
      let found = numbers(joined(folder, "cpu.max"))  // quota, or "max", and period
      return found.count == 2 ? ratio(found[0], found[1]) : nil
    }
    func ofVersion1(_ folder: String) -> Double? {
      ratio(
        numbers(joined(folder, "cpu.cfs_quota_us")).first ?? nil,  // -1 without a limit
        numbers(joined(folder, "cpu.cfs_period_us")).first ?? nil)
    }
    var found: [(cores: Double, group: String)] = []
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",")
      guard controllers.isEmpty || controllers.contains("cpu") else { continue }
      for mount in controllers.isEmpty ? ["", "unified"] : ["cpu", "cpu,cpuacct"] {
        let parts = fields[2].split(separator: "/").map(String.init)
        for depth in 0...parts.count {
          let folder = parts.prefix(depth).reduce(joined(root, mount), joined)
          guard let cores = (controllers.isEmpty ? ofVersion2 : ofVersion1)(folder) else { continue }
          // A machine's root has no limit. Within a container the path may be the machine's, and the
          // container's own group is at the root.
          found.append((cores, "/" + parts.prefix(depth == 0 ? parts.count : depth).joined(separator: "/")))
        }
      }
    }
    return found.min { $0.cores < $1.cores }
  }
}
