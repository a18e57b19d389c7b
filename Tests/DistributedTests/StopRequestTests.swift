import Foundation
import Testing
@testable import Distributed

@Suite struct StopRequestTests {
  @Test func aSignalThatEndsTheRunComesFirst() {
    #expect(StopRequest.agreed([0, 0]) == nil)
    #expect(StopRequest.agreed([0, SIGUSR1, SIGTERM]) == SIGTERM)
    #expect(StopRequest.agreed([SIGCONT, SIGUSR2]) == SIGUSR2)
    #expect(StopRequest.agreed([0, SIGCONT]) == SIGCONT)
  }

  @Test func exitCodesAreAShellsOrTryAgain() {
    #expect([SIGHUP, SIGINT, SIGTERM].map(StopRequest.exitCode) == [129, 130, 143])
    #expect([SIGUSR1, SIGUSR2].map(StopRequest.exitCode) == [75, 75])
  }
}
