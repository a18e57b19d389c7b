import Foundation
import TestSupport

/// A table of two starts by two tasks whose cells a shell script runs in place of `moco`: it gives numbers that follow from
/// its arguments, and waits while a file is there.
struct FakeTransfer {
  let folder = temporaryFolder()
  var out: String { folder + "/out" }
  private var spec: String { folder + "/spec.yaml" }
  private var program: String { folder + "/fake" }
  private var calls: String { folder + "/calls" }
  private var hold: String { folder + "/hold" }

  /// - Parameter seeds: of the detector's cells.
  init(seeds: String = "[1, 2]") throws {
    try FileManager.default.createDirectory(atPath: folder + "/cells", withIntermediateDirectories: true)
    try """
    title: Fake
    seeds: \(seeds)
    data: {cells: a folder of cells}
    pretrain: {data: "{cells}", recipe: cifar, settings: {arch: resnet8}}
    starts:
      - {name: random, weights: random}
      - {name: memory bank, pretrain: {settings: {mechanism: memory-bank}}}
    tasks:
      - {name: cells, command: detect, recipe: small-c4, train: "{cells}:train", test: "{cells}:test", metrics: [AP50]}
      - {name: neighbours, command: knn, train: "{cells}", test: "{cells}", seeds: [1]}
    """.write(toFile: spec, atomically: true, encoding: .utf8)
    try script.write(toFile: program, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
  }

  /// AP50 is 30 + seed from random weights and 50 + seed from others; kNN 20 and 60.5. A file `fail` makes kNN fail.
  private var script: String {
    """
    #!/bin/sh
    line="$*"; command=$1; weights=$2
    while [ $# -gt 0 ]; do
      case $1 in --out) out=$2 ;; --seed) seed=$2 ;; esac
      shift
    done
    [ -z "$out" ] || mkdir -p "$out"
    trap 'echo TERM >> "\(folder)/signals"; exit 143' TERM
    trap 'echo INT >> "\(folder)/signals"; exit 130' INT
    echo "$line" >> "\(calls)"
    echo "fake $command" >&2
    while [ -e "\(hold)" ]; do sleep 0.02; done
    case $weights in --init) base=30; knn=20 ;; *random*) base=30; knn=20 ;; *) base=50; knn=60.5 ;; esac
    case $command in
      detect)
        value=$((base + seed))
        echo '{"event":"detection","scores":[{"kind":"bbox","values":[{"name":"AP50","percent":'$value'}]}]}' >> "$out/log.jsonl" ;;
      knn)
        if [ -e "\(folder)/fail" ]; then echo "moco: nothing <matched>" >&2; exit 1; fi
        echo '{"results":[{"encoder":"trained encoder","top1":'$knn'}]}' ;;
    esac
    """
  }

  func arguments(_ more: String...) -> [String] {
    ["transfer", spec, "--data", "cells=\(folder)/cells", "--out", out, "--program", program] + more
  }

  func text(_ file: String) throws -> String { try String(contentsOfFile: "\(out)/\(file)", encoding: .utf8) }

  // MARK: - The script

  /// The command lines that were run, in order.
  var commands: [String] {
    ((try? String(contentsOfFile: calls, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
  }

  /// The numbers of runs of each command line.
  var counts: [String: Int] { commands.reduce(into: [:]) { $0[$1, default: 0] += 1 } }

  var signals: String { (try? String(contentsOfFile: folder + "/signals", encoding: .utf8)) ?? "" }

  /// Whether the script waits in each command from now on.
  func setHolds(_ holds: Bool) throws { try set(hold, holds) }

  func setFails(_ fails: Bool) throws { try set(folder + "/fail", fails) }

  private func set(_ file: String, _ isThere: Bool) throws {
    if isThere { try put([], at: file) } else { try FileManager.default.removeItem(atPath: file) }
  }

  /// Kills `moco` alone, and waits until it is gone. Foundation's `waitUntilExit` would wait for the script too, which has
  /// inherited what it watches.
  func kill(_ process: Process) {
    Foundation.kill(process.processIdentifier, SIGKILL)
    var end = siginfo_t()
    waitid(P_PID, id_t(process.processIdentifier), &end, WEXITED | WNOWAIT)
  }

  /// Waits until so many commands have begun.
  func wait(for count: Int, _ process: Process) {
    while process.isRunning, commands.count < count { usleep(2_000) }
  }
}
