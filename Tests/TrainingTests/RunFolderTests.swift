import Files
import Foundation
import TestSupport
import Testing
@testable import Training

@Suite struct RunFolderTests {
  @Test func onlyALockOfAnotherIsARunThatGoes() throws {
    let run = temporaryFolder()
    let path = run + "/.lock"
    try Data().write(to: URL(fileURLWithPath: path))
    #expect(!RunFolder.isInUse(run))
    let mine = open(path, O_RDWR), other = open(path, O_RDWR)
    defer { [mine, other].forEach { close($0) } }
    #expect(FileLock(mine, LOCK_EX) == .locked)
    #expect(FileLock(other, LOCK_SH) == .inUse && RunFolder.isInUse(run))
    #expect(FileLock(-1, LOCK_SH) == .failed("Bad file descriptor"))
  }
}
