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
    let lock = try FileLock(path)
    withExtendedLifetime(lock) { #expect(RunFolder.isInUse(run)) }
  }
}
