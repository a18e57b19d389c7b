import Torch

#if compiler(>=6.3)  // earlier exit tests cannot be given values
  import Foundation
  import Testing
  import Torch

  /// The published trajectories of several processes, one a rank, over Gloo.
  @Suite(.serialized) struct RankParity {
    @Test(arguments: Parity.files(kinds: ["builder", "cifar", "v3"]) { $0 > 1 })
    func everyRankFollowsThePublishedCode(file: URL) async throws {
      let count = try #require(Case(file.path).world)
      let server = try KeyValueStore(host: "127.0.0.1", port: 0, serves: true, timeout: .seconds(60))
      let (path, port) = (file.path, server.port)
      await withTaskGroup(of: Void.self) { ranks in
        for number in 0..<count {
          ranks.addTask {
            await #expect(processExitsWith: .success) {
              [path = path as String, port = port as UInt16, number = number as Int, count = count as Int] in
              try follow(path, port: port, number: number, of: count)
            }
          }
        }
      }
      withExtendedLifetime(server) {}
    }
  }

  private func follow(_ path: String, port: UInt16, number: Int, of count: Int) throws {
    Runtime.threads = 1
    let timeout = Duration.seconds(60)
    let store = try KeyValueStore(host: "127.0.0.1", port: port, serves: false, timeout: timeout)
    let group = try ProcessGroup(store, rank: Rank(number, of: count), timeout: timeout)
    switch try Case(path) {
    case .queue(let reference): try Parity.follow(reference, ranks: group)
    case .batch(let reference): try ParityV3.follow(reference, ranks: group)
    }
  }

  private enum Case {
    case queue(ParityCase)
    case batch(V3Case)

    init(_ path: String) throws {
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      let decoder = JSONDecoder()
      self =
        if let queue = try? decoder.decode(ParityCase.self, from: data) {
          .queue(queue)
        } else {
          .batch(try decoder.decode(V3Case.self, from: data))
        }
    }

    var world: Int? {
      switch self {
      case .queue(let reference): reference.settings.world
      case .batch(let reference): reference.settings.world
      }
    }
  }
#endif
