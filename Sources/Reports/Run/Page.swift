/// The whole document: a head with its style, and the body's parts.
struct Page {
  let title: String
  let body: [HTML]

  var text: String {
    let style = HTML(markup: Page.style)
    let page: HTML = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <link rel="icon" href="data:,">
      <title>\(title)</title>
      <style>
      \(style)
      </style>
      </head>
      <body>
      <main>
      \(body)
      </main>
      </body>
      </html>

      """
    return page.text
  }

  /// One measure for everything, so that sections line up; colours are variables, which the drawings use too.
  private static let style = """
    :root {
      color-scheme: light dark;
      --ground: #fcfcfa; --raised: #ffffff; --text: #1d2126; --muted: #5d6670; --rule: #e2e2dc;
      --good: #00724f; --bad: #a8440a; --same: #0072b2; --other: #d55e00;
      --chart-ground: var(--raised); --chart-muted: var(--muted);
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --ground: #14171a; --raised: #1b1f23; --text: #e4e6e8; --muted: #9aa4ae; --rule: #2d3338;
        --good: #4cc29a; --bad: #f0986a; --same: #4aa3df; --other: #f0803c;
        \(Palette.darkVariables)
      }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; }
    body {
      margin: 0; background: var(--ground); color: var(--text);
      font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
      font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
    }
    main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
    h1 { font-size: clamp(28px, 5vw, 40px); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 12px; }
    h2 { font-size: 20px; line-height: 1.25; letter-spacing: -0.01em; margin: 0 0 8px; }
    p { margin: 0 0 16px; max-width: 72ch; }
    section { margin-top: 40px; padding-top: 24px; border-top: 1px solid var(--rule); }
    section > p, .missing { color: var(--muted); font-size: 15px; }
    .missing { padding: 12px 16px; border: 1px dashed var(--rule); border-radius: 8px; max-width: none; }
    .eyebrow { margin: 0 0 4px; font-size: 13px; letter-spacing: 0.04em; color: var(--muted); }
    .lead { font-size: 18px; margin-bottom: 8px; }
    .state { font-size: 15px; color: var(--muted); }
    .state::before {
      content: ""; display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 8px;
      background: var(--muted);
    }
    .state.good::before { background: var(--good); }
    .state.bad { color: var(--bad); }
    .state.bad::before { background: var(--bad); border-radius: 2px; }
    dl, dd, figure, ul { margin: 0; padding: 0; }
    .tiles {
      display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 1px; margin-top: 24px;
      background: var(--rule); border: 1px solid var(--rule); border-radius: 10px; overflow: hidden;
    }
    .tiles > div { background: var(--raised); padding: 14px 16px 12px; }
    .tiles dt { font-size: 13px; color: var(--muted); }
    .tiles dd { font-size: 26px; font-weight: 600; line-height: 1.25; letter-spacing: -0.01em; }
    .tiles small { display: block; font-size: 13px; font-weight: 400; letter-spacing: 0; color: var(--muted); }
    .charts { display: grid; gap: 16px; }
    .charts.two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
    .charts.three { grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
    .charts.four { grid-template-columns: repeat(auto-fit, minmax(min(100%, 235px), 1fr)); }
    .chart { background: var(--raised); border: 1px solid var(--rule); border-radius: 10px; padding: 8px; }
    .chart svg { display: block; width: 100%; height: auto; }
    .map { max-width: 600px; }
    .sheet { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
    .strips { display: grid; gap: 14px 32px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); }
    .strip figcaption { font-size: 14px; color: var(--muted); margin-bottom: 4px; }
    .strip figcaption b { color: var(--text); font-weight: 600; }
    .row { display: grid; grid-template-columns: repeat(9, minmax(0, 1fr)); gap: 4px; }
    .tile { display: block; width: 100%; height: auto; border: 3px solid transparent; border-radius: 5px; }
    .tile.query { border-color: var(--text); }
    .tile.same { border-color: var(--same); }
    .tile.other { border: 3px dashed var(--other); }
    .tile.plain { border-color: var(--rule); }
    .key { padding: 0 5px; border-radius: 4px; color: var(--text); }
    .key.same { border: 2px solid var(--same); }
    .key.other { border: 2px dashed var(--other); }
    .legend { font-size: 14px; color: var(--muted); }
    .heat {
      display: inline-block; width: 140px; height: 12px; margin: 0 6px; border: 1px solid var(--rule);
      vertical-align: -2px; print-color-adjust: exact; -webkit-print-color-adjust: exact;
    }
    .looks { display: grid; gap: 14px 24px; }
    .looks.pairs { grid-template-columns: repeat(auto-fill, minmax(min(100%, 240px), 1fr)); }
    .looks.trios { grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); }
    .look figcaption { font-size: 14px; color: var(--muted); margin-bottom: 4px; }
    .look figcaption b { color: var(--text); font-weight: 600; }
    .panels { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 6px; align-items: start; }
    .panels .sheet { width: 100%; }
    .settings {
      display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); column-gap: 40px;
      font-size: 14px;
    }
    .settings > div {
      display: flex; justify-content: space-between; gap: 16px; padding: 5px 0; border-bottom: 1px solid var(--rule);
    }
    .settings dt { color: var(--muted); white-space: nowrap; }
    .settings dd { text-align: right; }
    .settings .changed dt { color: var(--text); font-weight: 600; }
    .settings small { color: var(--muted); font-size: 12px; display: block; }
    .warnings, .course { list-style: none; font-size: 15px; }
    .warnings li { padding: 10px 14px; margin-bottom: 8px; border-left: 3px solid var(--bad); background: var(--raised); }
    .warnings .when { color: var(--muted); margin-right: 8px; font-size: 13px; }
    .course li { padding: 6px 0; border-bottom: 1px solid var(--rule); color: var(--muted); }
    .misses { display: grid; gap: 24px; }
    .detections figcaption { font-size: 14px; color: var(--muted); margin-bottom: 6px; }
    .detections figcaption b { color: var(--text); font-weight: 600; margin-right: 8px; }
    .pair { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); align-items: start; }
    .quartet { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(min(45%, 230px), 1fr)); align-items: start; }
    .classes { display: flex; flex-wrap: wrap; gap: 4px 14px; margin-bottom: 16px; font-size: 14px; list-style: none; }
    .classes svg { width: 12px; height: 12px; margin-right: 5px; vertical-align: -1px; }
    .panel { display: block; width: 100%; height: auto; border-radius: 5px; }
    .panel rect, .panel path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
    .panel .halo { stroke: #fff; stroke-opacity: 0.6; stroke-width: 4; }
    .panel .right .frame { stroke: #0072b2; }
    .panel .wrong .frame { stroke: #d55e00; stroke-dasharray: 6 4; stroke-width: 2.5; }
    .panel .ignored .frame { stroke: #7a7a7a; }
    .panel .mask { stroke-width: 1; fill-rule: evenodd; fill-opacity: 0.35; }
    .panel .right .mask { fill: #0072b2; stroke: #0072b2; }
    .panel .wrong .mask { fill: #d55e00; stroke: #d55e00; }
    .panel .ignored .mask { fill: #7a7a7a; stroke: #7a7a7a; }
    .panel .name rect { fill-opacity: 0.9; }
    .panel .name.right rect { fill: #0072b2; }
    .panel .name.wrong rect { fill: #b04a00; }
    .panel .name.ignored rect { fill: #5d5d5d; }
    .panel .name text { fill: #fff; font-size: 11px; }
    .charts.wide { margin-top: 16px; }
    details { margin-top: 16px; font-size: 15px; }
    summary { cursor: pointer; color: var(--muted); }
    .scroll { overflow-x: auto; }
    .numbers { border-collapse: collapse; margin-top: 8px; font-size: 14px; }
    .numbers th, .numbers td { padding: 4px 16px 4px 0; text-align: right; border-bottom: 1px solid var(--rule); }
    .numbers th:first-child { text-align: left; font-weight: 600; }
    .numbers thead th { color: var(--muted); font-weight: 400; }
    .transfer th, .transfer td { padding: 6px 14px 6px 0; white-space: nowrap; vertical-align: top; }
    .transfer { margin-bottom: 12px; }
    .transfer thead tr:nth-child(2) th { text-align: right; font-weight: 400; }
    .transfer thead tr:first-child th { color: var(--text); font-weight: 600; }
    .transfer tbody th { white-space: normal; min-width: 9ch; }
    .transfer span, .transfer small { display: block; font-size: 12px; font-weight: 400; }
    .transfer small, .even { color: var(--muted); }
    .gain { color: var(--good); }
    .loss, .transfer .bad { color: var(--bad); }
    .bars .chart { max-width: 520px; }
    .commands { list-style: none; }
    .commands li { padding: 8px 0; border-bottom: 1px solid var(--rule); }
    .commands .when { color: var(--muted); font-size: 13px; }
    code, pre { display: block; font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; margin: 4px 0 0; }
    @media (max-width: 520px) {
      main { padding: 24px 16px 48px; }
      .lead { font-size: 16px; }
      .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
      .tiles dd { font-size: 22px; }
      .tiles > div:last-child:nth-child(odd) { grid-column: span 2; }
      .tile { border-width: 2px !important; }
      .row { gap: 2px; }
    }
    @media print { body { background: #fff; } section { break-inside: avoid; } }
    """
}
