import Files
import Torch

/// Environment variables, read as launchers write them.
struct LauncherVariables {
  let values: [String: String]

  init(_ values: [String: String]) { self.values = values }

  func has(_ names: String...) -> Bool { names.allSatisfy { values[$0] != nil } }

  /// Whether the launcher gives each process one GPU only, as `srun --gpus-per-task 1` does.
  var hasOwnGPU: Bool { values["CUDA_VISIBLE_DEVICES"].map { !$0.isEmpty && !$0.contains(",") } ?? false }

  func text(_ name: String) throws -> String {
    guard let value = values[name], !value.isEmpty else {
      let remedy =
        switch name {
        case "MASTER_ADDR": "Set it to the host of rank 0, or use torchrun or --nproc."
        case "MASTER_PORT": "Set it to a free port of rank 0's machine, or use torchrun or --nproc."
        default: "Start the ranks with one launcher, or unset its variables."
        }
      throw UsageError("\(name) is not set, but this process is one of several ranks. \(remedy)")
    }
    return value
  }

  func number(_ name: String, or other: Int? = nil) throws -> Int {
    if values[name] == nil, let other { return other }
    let value = try text(name)
    guard let number = Int(value), number >= 0 else {
      throw UsageError("\(name)=\(value): expected a number from 0 on.")
    }
    return number
  }

  func port(_ name: String) throws -> UInt16 {
    let number = try number(name)
    guard let port = UInt16(exactly: number), port > 0 else {
      throw UsageError("\(name)=\(number): a port is a number from 1 to 65535.")
    }
    return port
  }

  func rank(_ number: String, of count: String) throws -> Rank {
    let (own, all) = (try self.number(number), try self.number(count))
    guard own < all else {
      throw UsageError("\(number)=\(own), \(count)=\(all): ranks are numbered from 0.")
    }
    return Rank(own, of: all)
  }

  // MARK: - Slurm

  /// The job and the step, which together no other launch has; nil outside a step.
  var slurmStep: String? {
    guard let job = values["SLURM_JOB_ID"], let step = values["SLURM_STEP_ID"] else { return nil }
    return "Slurm step \(job).\(step)"
  }

  /// The first host of the Slurm job; nil outside a job.
  var firstHostOfJob: String? {
    (values["SLURM_JOB_NODELIST"] ?? values["SLURM_NODELIST"]).map(LauncherVariables.firstHost)
  }

  /// The first name of Slurm's `node[07-12,15],other`.
  static func firstHost(of list: String) -> String {
    guard let bracket = list.firstIndex(of: "["), !list[..<bracket].contains(",") else {
      return String(list.prefix { $0 != "," })
    }
    let number = list[list.index(after: bracket)...].prefix { $0.isNumber }
    let rest = list[bracket...].drop { $0 != "]" }.dropFirst().prefix { $0 != "," }
    return String(list[..<bracket] + number + rest)
  }
}
