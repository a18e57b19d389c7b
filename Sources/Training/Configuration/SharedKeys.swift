import Data
import Images
import Methods
import Models
import Torch

// Keys that several commands have.

extension ConfigKey where Value == Int {
  static var maxPixels: Self {
    Self(
      "max-pixels", DecodeLimits().maxPixels, "Refuse larger images before decoding them.", "n",
      allowed: { $0 > 0 }, else: "at least 1.")
  }
  static var timeout: Self {
    Self(
      "timeout", 300, "Seconds that ranks wait for one another.", "seconds",
      allowed: { (5...86_400).contains($0) }, else: "5 seconds to a day.", changesResult: false)
  }
  static var keep: Self {
    Self(
      "keep", 2, "Checkpoints that stay on disk.", "n", allowed: { $0 > 0 },
      else: "at least one checkpoint stays.", changesResult: false)
  }
  static var logEvery: Self {
    Self(
      "log-every", 10, "Steps between lines of log.jsonl.", "n", allowed: { $0 > 0 },
      else: "at least 1 step.", changesResult: false)
  }
}

extension ConfigKey where Value == Int? {
  static var workers: Self {
    Self(
      "workers", Int?.none, "Decoding threads; one a core unless given. Changes no result.", "n",
      allowed: { (1...1024).contains($0 ?? 1) }, else: "1 to 1024.", changesResult: false)
  }
}

extension ConfigKey where Value == UInt64 {
  static var seed: Self { Self("seed", 1, "Decides first weights, order and augmentation.", "n") }
}

extension ConfigKey where Value == Bool {
  static var tf32: Self { Self("tf32", false, "Let a GPU round float32 products and convolutions to TF32.") }
}

extension ConfigKey where Value == Fraction {
  static var maxBad: Self {
    Self(
      "max-bad", .fivePercent, "Stop when more images than this cannot be read, as 5%.", "share",
      changesResult: false)
  }
}

extension ConfigKey where Value == Precision {
  static var precision: Self {
    Self(
      "precision", .float32,
      "Of products and convolutions in training; weights and loss are float32 in any case.")
  }
}

extension ConfigKey where Value == DeviceChoice {
  static var device: Self {
    Self(
      "device", .auto, "The device: auto, cpu, cuda, cuda:1 or mps.", "device", changesResult: false)
  }
}

extension ConfigKey where Value == SaveRequest {
  static var onUSR1: Self {
    Self(
      "on-usr1", .save,
      "After SIGUSR1 or SIGUSR2 and a checkpoint: save goes on, stop ends the run with exit code 75.",
      changesResult: false)
  }
}
