import Foundation
import TestSupport
import Testing
import Training

/// Signals as launchers and terminals send them. Serialized: each run wants the cores.
@Suite(.serialized) struct StopTests {
  private let data: String
  private let out = temporaryFolder() + "/run"

  init() throws { data = try makeImageFolder(images: 24) }

  private var options: [String] {
    [
      "--recipe", "cifar", "--arch", "resnet8", "--image-size", "8", "--batch-size", "4", "--moco-k", "8",
      "--bn-splits", "1", "--device", "cpu", "--workers", "1", "--log-every", "1", "--epochs", "100000",
      "--save-every", "1",
    ]
  }

  private func command(_ out: String, _ more: String...) -> [String] {
    ["pretrain", data, "--out", out] + options + more
  }

  private var lastStep: Int {
    RunLog.read(out + "/log.jsonl").reduce(0) { if case .step(let step) = $1 { step.step } else { $0 } }
  }

  private var saved: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: out + "/checkpoints")) ?? [])
      .filter { $0.hasPrefix("step-") }
  }

  private func wait(_ process: Process, untilAfter step: Int) {
    while process.isRunning, lastStep <= step { usleep(2_000) }
  }

  /// Slurm's time limit sends two SIGTERM within 5 to 14 ms. Half of a step of this run is its checkpoint.
  @Test func aSecondSignalOfTheSameMomentEndsNothing() throws {
    var random = SystemSeeded(seed: 5)
    for moment in 0..<20 {
      let before = lastStep
      let run = try Program.start(command(out))
      wait(run, untilAfter: before)
      usleep(random.next() % 40_000)
      kill(run.processIdentifier, SIGTERM)
      usleep(random.next() % 5_000)
      kill(run.processIdentifier, moment % 2 == 0 ? SIGTERM : SIGHUP)
      run.waitUntilExit()
      #expect(run.terminationReason == .exit && run.terminationStatus == 143, "moment \(moment)")
      #expect(saved.contains("step-\(lastStep)"), "moment \(moment): \(saved), step \(lastStep)")
    }
    let last = lastStep + 1
    #expect(try Program.run(command(out, "--steps", "\(last)")).code == 0)
    let unbroken = temporaryFolder() + "/run"
    #expect(try Program.run(command(unbroken, "--steps", "\(last)")).code == 0)
    for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
      let place = "/checkpoints/step-\(last)/\(file)"
      #expect(try bytes(at: out + place) == bytes(at: unbroken + place), "\(file)")
    }
  }

  @Test(arguments: [1, 2])
  func aRequestToSaveSavesAndGoesOn(ranks: Int) throws {
    let errors = Pipe()
    let run = try Program.start(
      command(out, "--save-every", "100000", "--nproc", "\(ranks)"), errors: errors)
    wait(run, untilAfter: 1)
    #expect(saved.isEmpty)
    kill(run.processIdentifier, SIGUSR1)
    while run.isRunning, saved.isEmpty { usleep(2_000) }
    let first = try #require(saved.first?.dropFirst("step-".count)).description
    wait(run, untilAfter: (Int(first) ?? 0) + 1)
    kill(run.processIdentifier, SIGTERM)
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    run.waitUntilExit()
    #expect(run.terminationStatus == 143 && saved.contains("step-\(lastStep)"))
    #expect(said.contains("moco: saving after this step\n"), "\(said)")
    #expect(said.contains("Saved after step \(first) on a signal."), "\(said)")
    #expect(said.components(separatedBy: "moco: stopping after this step\n").count == 2, "\(said)")
  }

  @Test(arguments: [1, 2])
  func aRequestToSaveMayEndTheRun(ranks: Int) throws {
    let run = try Program.start(
      command(out, "--save-every", "100000", "--on-usr1", "stop", "--nproc", "\(ranks)"))
    wait(run, untilAfter: 1)
    kill(run.processIdentifier, SIGUSR2)
    run.waitUntilExit()
    #expect(run.terminationReason == .exit && run.terminationStatus == 75)
    #expect(saved == ["step-\(lastStep)"])
  }

  /// `mpirun` sends SIGCONT first, a second before SIGTERM.
  @Test func aContinuationByOpenMPISaves() throws {
    let run = try Program.start(
      command(out, "--save-every", "100000", "--on-usr1", "stop"),
      variables: ["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"])
    wait(run, untilAfter: 1)
    kill(run.processIdentifier, SIGCONT)
    while run.isRunning, saved.isEmpty { usleep(2_000) }
    #expect(!saved.isEmpty && run.isRunning)
    kill(run.processIdentifier, SIGTERM)
    run.waitUntilExit()
    #expect(run.terminationStatus == 143)
  }

  @Test func aSecondInterruptByAProcessEndsNothing() throws {
    let run = try Program.start(command(out))
    wait(run, untilAfter: 1)
    kill(run.processIdentifier, SIGINT)
    usleep(1_000)
    kill(run.processIdentifier, SIGINT)
    run.waitUntilExit()
    #expect(run.terminationReason == .exit && run.terminationStatus == 130)
    #expect(saved.contains("step-\(lastStep)"))
  }

  /// A step of these images takes half a second and more: the second Ctrl-C comes in the middle of it.
  @Test(arguments: [1, 2])
  func aSecondCtrlCEndsALongStepAtOnce(ranks: Int) throws {
    let terminal = try #require(
      Terminal([
        Program.path, "pretrain", data, "--out", out, "--recipe", "cifar", "--arch", "resnet8",
        "--image-size", "128",
        "--batch-size", "24", "--moco-k", "48", "--bn-splits", "1", "--device", "cpu", "--workers", "1",
        "--log-every", "1", "--epochs", "100000", "--save-every", "100000", "--nproc", "\(ranks)",
      ]))
    while terminal.isRunning, lastStep < 1 { usleep(2_000) }
    terminal.interrupt()
    while terminal.isRunning, !terminal.text.contains("Ctrl-C once more ends it at once") { usleep(1_000) }
    terminal.interrupt()
    let status = terminal.wait()
    #expect(status & 0x7f == SIGINT, "ended by the signal: \(status)")
    #expect(saved.isEmpty, "not saved")
  }
}

/// xorshift: the same moments in every run of a test.
private struct SystemSeeded {
  private var state: UInt32
  init(seed: UInt32) { state = seed }

  mutating func next() -> UInt32 {
    state ^= state << 13
    state ^= state >> 17
    state ^= state << 5
    return state
  }
}

/// A program on a terminal of its own.
private final class Terminal: @unchecked Sendable {  // the text is under the lock
  private let primary: Int32
  private var process: pid_t = 0
  private var status: Int32?
  private let lock = NSLock()
  private var data = Data()

  init?(_ arguments: [String]) {
    primary = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    // posix_openpt(3) and its like, which Glibc's module does not show: TIOCSPTLCK and TIOCGPTN of Linux.
    var (isLocked, number): (Int32, Int32) = (0, 0)
    guard primary >= 0, ioctl(primary, 0x4004_5431, &isLocked) == 0,
      ioctl(primary, 0x8004_5430, &number) == 0
    else { return nil }
    let name = "/dev/pts/\(number)"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The first terminal that the leader of a session opens is the session's.
    posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
    for number: Int32 in [1, 2] { posix_spawn_file_actions_adddup2(&actions, 0, number) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, 0x80)  // POSIX_SPAWN_SETSID
    let own = arguments.map { strdup($0) } + [nil]
    defer { own.forEach { free($0) } }
    setenv("OMP_NUM_THREADS", "1", 1)
    guard posix_spawn(&process, arguments[0], &actions, &attributes, own, environ) == 0 else { return nil }
    Thread.detachNewThread { [self] in read() }
  }

  deinit { close(primary) }

  private func read() {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = Foundation.read(primary, &buffer, buffer.count)
      guard count > 0 else { return }
      lock.withLock { data += buffer.prefix(count) }
    }
  }

  var text: String { lock.withLock { String(decoding: data, as: UTF8.self) } }

  var isRunning: Bool {
    if status == nil {
      var own: Int32 = 0
      if waitpid(process, &own, WNOHANG) == process { status = own }
    }
    return status == nil
  }

  /// The keys Ctrl-C.
  func interrupt() { _ = write(primary, [3], 1) }

  /// The status, as `waitpid` gives it.
  func wait() -> Int32 {
    while isRunning { usleep(2_000) }
    return status ?? 0
  }
}
