import CArchives
import Files
import Foundation

/// The library for Parquet, which is loaded when the first Parquet file is met. `scripts/parquet-library` builds it.
enum ParquetLibrary {
  static let name = "libmoco_parquet.so"
  /// The environment variable with the path of the file, if it is in another place.
  static let variable = "MOCO_PARQUET_LIBRARY"

  /// Why it cannot be used.
  struct Unavailable: Error, Equatable {
    let reason: String
  }

  typealias Interface = UnsafePointer<ca_parquet_library>

  /// It is loaded once.
  static let shared: Result<Loaded, Unavailable> = {
    let program = Bundle.main.executablePath ?? ""
    return load(places(program: program, environment: ProcessInfo.processInfo.environment))
  }()

  /// Its functions, which never change.
  struct Loaded: @unchecked Sendable {  // A pointer to constants of a library that stays loaded.
    let functions: ca_parquet_library
  }

  /// The possible paths: the variable's, if it is set; otherwise beside the program, or in a checkout's
  /// `.build/parquet`.
  static func places(program: String, environment: [String: String]) -> [String] {
    if let named = environment[variable] { return [named] }
    let folder = URL(fileURLWithPath: program).resolvingSymlinksInPath().deletingLastPathComponent()
    let build = folder.deletingLastPathComponent().deletingLastPathComponent()  // of .build/x86_64-…/release
    return [folder, build.appending(path: "parquet")].map { $0.appending(path: name).path }
  }

  /// Loads the first of the files that exists.
  static func load(_ places: [String]) -> Result<Loaded, Unavailable> {
    func unavailable(_ reason: String) -> Result<Loaded, Unavailable> {
      .failure(Unavailable(reason: reason))
    }
    guard let path = places.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      let fault =
        places.count == 1
        ? "\(places[0]) is not there" : "neither \(places.joined(separator: " nor ")) is there"
      return unavailable("\(fault); scripts/parquet-library builds it")
    }
    let remedy = "build it anew: scripts/parquet-library"
    guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      let message = dlerror().map { String(cString: $0) } ?? ""
      return unavailable("\(path) cannot be loaded (\(message)); \(remedy)")
    }
    guard let entry = dlsym(library, "ca_parquet_entry") else {
      return unavailable("\(path) is no library of moco: it has no function ca_parquet_entry; \(remedy)")
    }
    typealias Entry = @convention(c) () -> Interface?
    guard let found = unsafeBitCast(entry, to: Entry.self)(), found.pointee.layout == CA_PARQUET_LAYOUT else {
      return unavailable("\(path) has another interface than this program; \(remedy)")
    }
    return .success(Loaded(functions: found.pointee))
  }
}
