import Files
import Training

/// Warnings, and sessions with their hosts, as text.
struct ReportSessions {
  let record: RunHistory

  var warnings: HTML {
    guard !record.warnings.isEmpty else { return HTML.paragraph("There were no warnings.") }
    let items: [HTML] = record.warnings.map {
      "<li><span class=\"when\">step \(grouped($0.step))</span> \($0.message)</li>"
    }
    return "<ul class=\"warnings\">\n\(items)\n</ul>"
  }

  var sessions: HTML {
    guard !record.sessions.isEmpty else { return .missing("The log holds no start.") }
    let items: [HTML] = record.sessions.map { session in
      "<li>\(begin(session.start)) \(end(session.end))</li>"
    }
    return "<ul class=\"course\">\n\(items)\n</ul>"
  }

  private func begin(_ start: RunEvent.Start) -> String {
    let begun =
      start.resumedFrom.map { "Continued after step \(grouped($0)) at \(start.time)" }
      ?? "Started at \(start.time)"
    let host = start.host
    let place = start.dataPath.map { ", at \($0)" } ?? ""
    return
      "\(begun) on \(host.device): \(host.system), \(host.cores) cores, \(host.threads) threads, LibTorch "
      + "\(host.libtorch) (\(host.cpuCapability)). Data: \(start.data)\(place)."
  }

  private func end(_ end: RunEvent.End?) -> String {
    guard let end else { return "No end was written." }
    let how =
      switch end.status {
      case .finished: "Finished"
      case .stopped: "Stopped"
      case .failed: "Failed"
      }
    return "\(how) after step \(grouped(end.step)) and \(duration(end.seconds))."
  }
}
