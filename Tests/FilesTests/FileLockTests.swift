import Foundation
import TestSupport
import Testing
@testable import Files

@Suite struct FileLockTests {
  @Test func aLockEndsWithItsObject() throws {
    try withFolder { folder in
      let path = folder + "/.lock"
      #expect(!FileLock.isHeld(path) && !FileManager.default.fileExists(atPath: path))
      do {
        let lock = try FileLock(path)
        #expect(FileLock.isHeld(path))
        #expect(throws: FileLock.Failure.inUse) { try FileLock(path) }
        withExtendedLifetime(lock) {}
      }
      #expect(!FileLock.isHeld(path))
      _ = try FileLock(path)
    }
  }

  @Test func aLockThatIsWaitedForIsTakenWhenItIsFree() throws {
    try withFolder { folder in
      let path = folder + "/.lock"
      var first: FileLock? = try FileLock(path)
      let taken = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        let second = try? FileLock(path, waits: true)
        if second != nil { taken.signal() }
      }
      #expect(taken.wait(timeout: .now() + 0.1) == .timedOut)
      withExtendedLifetime(first) {}
      first = nil
      #expect(taken.wait(timeout: .now() + 10) == .success)
    }
  }

  @Test func theReasonOfAFailureIsTheSystems() throws {
    #expect(throws: FileLock.Failure.unwritable("No such file or directory")) {
      try FileLock("/nowhere/at/all/.lock")
    }
  }
}
