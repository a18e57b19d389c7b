// Reads changed copies of good files, to find one that crashes a reader, hangs it, or ends in an error that no caller
// expects. No input is kept: the changes are made while it runs, and follow from the seed.
//
//     swift build --sanitize=address --product mutate-readers --scratch-path .build/asan
//     ASAN_OPTIONS=detect_leaks=0:detect_container_overflow=0 .build/asan/debug/mutate-readers 1000000 1
//
// Swift's runtime keeps what it allocates for types: these are no leaks. LibTorch is built without the sanitizer, which
// cannot follow the lengths of vectors that it fills.

import Files
import Foundation

private struct Fixtures: Decodable {
  var files: [String: Data]
}

let arguments = CommandLine.arguments.dropFirst().map { UInt64($0) }
guard arguments.count <= 2, !arguments.contains(nil) else {
  print("usage: mutate-readers [COUNT] [SEED]")
  exit(2)
}
let count = Int((arguments.first ?? 10_000) ?? 10_000)
var generator = Generator(state: (arguments.dropFirst().first ?? 1) ?? 1)

let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()
  .appending(path: "DataTests/Fixtures/sets.json")
let packed = try JSONDecoder().decode(Fixtures.self, from: Data(contentsOf: fixtures)).files
let readers = try Reader.all.map { reader in
  var seeds = reader.texts.map { Array($0.utf8) }
  for (name, file) in packed.sorted(by: { $0.key < $1.key }) where reader.takes(name) {
    seeds.append([UInt8](try gunzip(file, limit: 1 << 20)))
  }
  precondition(!seeds.isEmpty, "no seed for \(reader.name)")
  return (reader: reader, seeds: seeds)
}

let scratch = try ScratchFile(".json")  // the ending that COCO files have
for (reader, seeds) in readers {
  for seed in seeds where reader.outcome(of: seed, scratch) == .unknownError {
    print("a good file of \(reader.name) ends in an unknown error")
    exit(1)
  }
}
/// Of this process: a busy machine does not make a reader slow.
func processorTime() -> Duration {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

var outcomes = Array(repeating: [Outcome: Int](), count: readers.count)
let start = ContinuousClock.now
for number in 0..<count {
  let kind = number % readers.count
  let (reader, seeds) = readers[kind]
  var bytes = seeds[generator.below(seeds.count)]
  for _ in 0...generator.below(4) { change(&bytes, by: seeds[generator.below(seeds.count)], &generator) }
  let begun = processorTime()
  let outcome = reader.outcome(of: bytes, scratch)
  let took = processorTime() - begun
  guard outcome != .unknownError, took < .seconds(5) else {
    let path = FileManager.default.temporaryDirectory.appending(path: "mutated-\(number)").path
    try Data(bytes).write(to: URL(filePath: path))
    print("input \(number) of \(reader.name): \(outcome) after \(took); it is \(path)")
    exit(1)
  }
  outcomes[kind][outcome, default: 0] += 1
  if number % 100_000 == 99_999 {
    print("\(number + 1) inputs, \(ContinuousClock.now - start)")
    fflush(nil)
  }
}
for (entry, outcome) in zip(readers, outcomes) {
  print(
    "\(entry.reader.name): \(entry.seeds.count) good files, \(outcome[.read, default: 0]) changed ones read, "
      + "\(outcome[.refused, default: 0]) refused")
}
Reader.end()
