import Files
import Foundation
import Testing

@Suite struct ProcessCores {
  @Test func aMaskIsReadAsTheKernelWritesIt() {
    let status =
      "Name:\tmoco\nCpus_allowed:\tff,0000010f\nCpus_allowed_list:\t0-3,8,40-41\nMems_allowed:\t1\n"
    #expect(Cores.mask(in: status) == [0, 1, 2, 3, 8, 40, 41])
    #expect(Cores.mask(in: "Cpus_allowed_list:\t7\n") == [7])
    #expect(Cores.mask(in: "Name:\tmoco\n") == nil)
    #expect(Cores(mask: [0, 1, 2, 3, 8, 40, 41]).maskText == "0-3,8,40-41")
  }

  /// Folders of control groups with the files given.
  private func limit(_ groups: String, _ files: [String: String]) throws -> (cores: Double, group: String)? {
    let root = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: root) }
    for (name, text) in files {
      let file = root.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return Cores.share(of: groups, under: root.path)
  }

  private func share(_ groups: String, _ files: [String: String]) throws -> Double? {
    try limit(groups, files)?.cores
  }

  @Test func theLeastShareOfAnyGroupAboveCounts() throws {
    let files = [
      "cpu.max": "max 100000\n", "a/cpu.max": "250000 100000\n", "a/b/cpu.max": "400000 100000\n",
    ]
    #expect(try share("0::/a/b\n", files) == 2.5)
    #expect(try share("0::/a/b\n", ["a/cpu.max": "max 100000\n"]) == nil)
    // A container's own group is at the root, under whatever name the machine has for it.
    #expect(try share("0::/docker/0af1\n", ["cpu.max": "150000 100000\n"]) == 1.5)
    let first = ["cpu/x/cpu.cfs_quota_us": "300000\n", "cpu/x/cpu.cfs_period_us": "100000\n"]
    #expect(try share("4:cpu,cpuacct:/x/y\n2:memory:/x\n", first) == 3)
    let unlimited = ["cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"]
    #expect(try share("4:cpu:/x\n", unlimited) == nil)
    #expect(try share("", [:]) == nil)
  }

  /// Groups below one limit share it, whatever limits they have that are no smaller.
  @Test func theGroupWithTheLeastShareIsThatOfAllBelowIt() throws {
    let files = [
      "job/cpu.max": "400000 100000\n", "job/one/cpu.max": "400000 100000\n",
      "job/two/cpu.max": "max 100000\n", "job/three/cpu.max": "100000 100000\n",
    ]
    #expect(try limit("0::/job/one\n", files)?.group == "/job")
    #expect(try limit("0::/job/two/deeper\n", files)?.group == "/job")
    #expect(try limit("0::/job/three\n", files)?.group == "/job/three")
    let first = ["cpu/job/cpu.cfs_quota_us": "300000\n", "cpu/job/cpu.cfs_period_us": "100000\n"]
    #expect(try limit("4:cpu:/job/one\n", first)?.group == "/job")
    // Containers whose paths are the machine's, and one that has a namespace of its own.
    let own = ["cpu.max": "150000 100000\n"]
    #expect(try limit("0::/docker/0af1\n", own)?.group == "/docker/0af1")
    #expect(try limit("0::/docker/77c2\n", own)?.group == "/docker/77c2")
    #expect(try limit("0::/\n", own)?.group == "/")
    if let namespace = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/cgroup") {
      #expect(Cores.own.share == nil ? Cores.own.group.isEmpty : Cores.own.group.hasSuffix(" " + namespace))
    }
  }

  @Test func ranksInTwoContainersHaveTheirSharesAlone() {
    let ranks = ["/ cgroup:[4026531835]", "/ cgroup:[4026532417]", "/ cgroup:[4026532417]"].map {
      Cores(mask: Array(0..<24), share: 4, machine: "one", group: $0)
    }
    #expect(ranks.map { $0.count(among: ranks) } == [4, 2, 2])
  }

  @Test func aShareLimitsTheThreads() {
    #expect(Cores(mask: Array(0..<8)).count == 8)
    #expect(Cores(mask: Array(0..<8), share: 2.5).count == 2)
    #expect(Cores(mask: Array(0..<8), share: 0.3).count == 1)
    #expect(Cores(mask: Array(0..<8)).count(sharedBy: 3) == 2)
    #expect(Cores(mask: Array(0..<8), share: 4).count(sharedBy: 4) == 1)
  }

  /// Ranks on a machine with the masks given: the threads of each.
  private func threads(_ masks: [[Int]], share: Double? = nil, machines: [String]? = nil) -> [Int] {
    let ranks = masks.indices.map {
      Cores(mask: masks[$0], share: share, machine: machines?[$0] ?? "one", group: "g")
    }
    return ranks.map { $0.count(among: ranks) }
  }

  @Test func aCoreIsDividedAmongTheRanksThatMayUseIt() {
    let all = Array(0..<8)
    #expect(threads([all, all]) == [4, 4])
    #expect(threads([all, all, all]) == [2, 2, 2])
    #expect(threads([[0, 1, 2, 3], [4, 5, 6, 7]]) == [4, 4])
    #expect(threads([[0], [1]]) == [1, 1])
    #expect(threads([all, [0, 1]]) == [7, 1])
    #expect(threads([[0, 1, 2], [0, 1, 2], [0, 1, 2]]) == [1, 1, 1])
    #expect(threads([[0], [0], [0]]) == [1, 1, 1])
    #expect(threads([all, all], machines: ["one", "other"]) == [8, 8])
    #expect(threads([all, all], share: 4) == [2, 2])
  }

  /// The kernel's answer for a process that was bound, in a process of its own.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/taskset")))
  func theMaskOfABoundProcessIsItsOwn() throws {
    let core = Cores.own.mask.last!
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/taskset")
    process.arguments = ["-c", "\(core)", "/bin/cat", "/proc/self/status"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(Cores.mask(in: text) == [core])
  }
}
