import Foundation
import Testing

/// What a user reads who mistypes.
@Suite struct WrongUseTests {
  private func text(_ arguments: String...) throws -> String {
    let result = try Program.run(arguments)
    #expect(result.code == 2 && result.output.isEmpty, "\(arguments): \(result)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    return result.errors
  }

  @Test func aMisspeltCommandIsGuessed() throws {
    #expect(
      try text("pretain", "x")
        == "moco: There is no command `pretain`. Did you mean `pretrain`? `moco --help` shows what there is.\n"
    )
    #expect(
      try text("fine-tune")
        == "moco: There is no command `fine-tune`. Did you mean `finetune`? "
        + "`moco --help` shows what there is.\n")
    #expect(
      try text("xyzzy") == "moco: There is no command `xyzzy`. `moco --help` shows what there is.\n")
  }

  @Test(arguments: [
    (["pretrain", "x", "--moco-k", "abc"], "'abc' is invalid for '--moco-k <n>': give a whole number."),
    (["pretrain", "x", "--lr", "fast"], "'fast' is invalid for '--lr <rate>': give a number such as 0.1."),
    (
      ["pretrain", "x", "--device", "gpu"],
      "'gpu' is invalid for '--device <device>': give auto, cpu, cuda, cuda:1 or mps."
    ),
    (
      ["pretrain", "x", "--max-bad", "few"],
      "'few' is invalid for '--max-bad <share>': give a share such as 5% or 0.05."
    ),
    (
      ["pretrain", "x", "--schedule", "soon"],
      "'soon' is invalid for '--schedule <schedule>': give cosine, epochs such as 120,160, or a factor and steps such as "
        + "0.9x62500."
    ),
    (
      ["pretrain", "x", "--precision", "half"],
      "'half' is invalid for '--precision <precision>': give one of float32, bfloat16."
    ),
    (
      ["pretrain", "x", "--cache", "x"],
      "'x' is invalid for '--cache <cache>': give one of none, memory."
    ),
    (
      ["knn", "x", "--train", "a", "--test", "b", "--temperature", "abc"],
      "'abc' is invalid for '--temperature <t>': give a number such as 0.1."
    ),
    (
      ["finetune", "x", "--train", "a", "--test", "b", "--labels", "some"],
      "'some' is invalid for '--labels <labels>': give a share such as 1%, or the path of a .txt list."
    ),
  ])
  func anInvalidValueComesWithWhatIsAccepted(arguments: [String], message: String) throws {
    let result = try Program.run(arguments)
    #expect(
      result.code == 2
        && result.errors
          == "moco: The value \(message) `moco \(arguments[0]) --help` shows what there is.\n",
      "\(result.errors)")
  }

  /// As where a variable of the shell is not set.
  @Test func anEmptyArgumentIsSaid() throws {
    let end = "Name a file, a folder or a value there; perhaps a variable of the shell is not set.\n"
    #expect(try text("pretrain", "") == "moco: an argument after `pretrain` is empty. \(end)")
    #expect(
      try text("knn", "x", "--train", "", "--test", "b")
        == "moco: an argument after `--train` is empty. \(end)")
    #expect(try text("pretrain", "x", "--out=") == "moco: `--out=` has no value. \(end)")
  }

  #if os(Linux)
    @Test func aDeviceThatOnlyMacsHaveIsSaidInOneLine() throws {
      let result = try Program.run(
        "pretrain", makeImageFolder(images: 20), "--recipe", "cifar", "--batch-size", "16", "--out",
        "/nowhere/run",
        "--device", "mps")
      #expect(
        result.code == 1
          && result.errors
            == "moco: --device mps: only macOS has it, and this is another system. `--device cpu` trains on the CPU, "
            + "`--device auto` on a GPU if there is one.\n"
      )
    }

    /// /dev/full refuses what is written to it.
    @Test func aResultThatIsLostIsAnError() throws {
      let shell = Process()
      let errors = Pipe()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      shell.arguments = ["-c", "'\(Program.path)' pretrain --print-config > /dev/full"]
      shell.standardError = errors
      try shell.run()
      let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      shell.waitUntilExit()
      #expect(shell.terminationStatus == 1)
      #expect(
        text
          == "moco: standard output could not be written: No space left on device. The result is not complete there.\n"
      )
    }
  #endif

  @Test func aLongListStaysInOneLine() throws {
    let message = try text("import", "x", "--out", "y.safetensors", "--arch", "resnet49")
    #expect(
      message.hasPrefix(
        "moco: The value 'resnet49' is invalid for '--arch <arch>'. Please provide one of the following: resnet18, "
      ), "\(message)")
  }
}
