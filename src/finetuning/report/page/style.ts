/** Style sheet of the report page: one accent colour, four font sizes, light and dark mode, screen and print. */
export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fff; --panel: #f5f7f7; --line: #d8dfdf; --ink: #16201f; --muted: #586766; --accent: #0b6e69; --on-accent: #fff;
  --small: .8125rem; --body: 1rem; --large: 1.25rem; --huge: 2rem;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #111716; --panel: #1a2221; --line: #33403f; --ink: #e6eceb; --muted: #9aaba9; --accent: #55c5bc; --on-accent: #0b1514; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: var(--body)/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1, h2, h3 { line-height: 1.2; margin: 0; text-wrap: balance; }
h1 { font-size: var(--huge); margin: .25rem 0 .75rem; max-width: 24em; }
h2 { font-size: var(--large); margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: var(--body); margin: 1.5rem 0 .5rem; }
p { margin: 0 0 .75rem; max-width: 42em; }
.note, .eyebrow, figcaption, th, .file { color: var(--muted); font-size: var(--small); }
.eyebrow { margin: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin: 1.5rem 0; padding: 0; }
.facts div { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; }
.facts dt { font-size: var(--small); color: var(--muted); }
.facts dd { margin: 0; }
.facts .figure { font-size: var(--large); font-weight: 600; font-variant-numeric: tabular-nums; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem 2.5rem; }
.beside { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.beside > div { max-width: 100%; min-width: 0; }
.findings, .steps { margin: 0; padding: 0; list-style: none; max-width: 44em; }
.findings li, .steps li { position: relative; padding: 0 0 .5rem 2rem; }
.findings li::before, .steps li::before { position: absolute; left: 0; top: .1em; width: 1.35em; height: 1.35em; border-radius: 50%; border: 1px solid var(--line); text-align: center; line-height: 1.25em; font-size: var(--small); font-weight: 700; }
.findings .good::before { content: "\\2713"; background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.findings .caution::before { content: "!"; }
.findings .bad::before { content: "\\00d7"; background: var(--ink); border-color: var(--ink); color: var(--paper); }
.steps { counter-reset: step; }
.steps li { counter-increment: step; }
.steps li::before { content: counter(step); color: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .35rem .75rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; min-width: 8rem; }
td.text, th.text { text-align: left; white-space: normal; }
th { font-weight: 500; }
thead th { vertical-align: bottom; }
tbody th { color: var(--ink); font-size: var(--body); font-weight: 400; }
tr.ours td, tr.ours th { font-weight: 600; }
td .interval { display: block; width: 11rem; height: auto; }
.matrix { font-size: var(--small); }
.matrix td, .matrix th, .matrix td:first-child { padding: 0 .25rem; border: 2px solid var(--paper); text-align: center; min-width: 3rem; height: 3rem; }
.matrix th[scope=col] { vertical-align: bottom; height: auto; padding-bottom: .35rem; }
.matrix th[scope=col] span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; overflow: hidden; }
.matrix tbody th { font-size: var(--small); text-align: right; min-width: 5rem; max-width: 10rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.matrix td { background: color-mix(in srgb, var(--accent) var(--share), var(--panel)); border-radius: .3rem; }
.matrix td.full { color: var(--on-accent); }
.matrix td.none { color: transparent; }
.matrix td.right { font-weight: 700; }
.matrix.dense td, .matrix.dense th { min-width: 2.1rem; height: 2.1rem; }
.matrix caption { caption-side: bottom; text-align: left; padding-top: .5rem; color: var(--muted); }
figure { margin: 1rem 0 0; min-width: 0; }
figcaption { display: flex; flex-wrap: wrap; gap: .1rem 1rem; color: var(--ink); font-weight: 600; }
.key { font-weight: 400; color: var(--muted); }
.key::before { content: ""; display: inline-block; width: 1.1rem; margin-right: .35rem; vertical-align: middle; border-top: 3px solid var(--accent); }
.key.muted::before { border-color: var(--muted); border-top-style: dashed; }
.plot { display: block; width: 100%; max-width: 32rem; height: auto; }
.plot text { fill: var(--muted); font-size: 12px; }
.plot text.strong { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--line); fill: none; }
.series { fill: none; stroke: var(--accent); stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.series.muted { stroke: var(--muted); stroke-dasharray: 5 4; stroke-width: 2; }
.interval .series.muted { stroke-dasharray: none; }
.dot { fill: var(--accent); }
.dot.muted { fill: var(--muted); }
.bar { fill: var(--accent); }
.diagonal, .marker { fill: none; stroke: var(--ink); stroke-dasharray: 3 3; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: .75rem; margin: 0; padding: 0; list-style: none; }
.images li { background: var(--panel); border-radius: .5rem; overflow: hidden; padding: .6rem .75rem; font-size: var(--small); }
.images img { display: block; width: calc(100% + 1.5rem); margin: -.6rem -.75rem .6rem; aspect-ratio: 1; object-fit: cover; background: var(--line); }
.images b { display: block; }
.images .file { display: block; margin-top: .25rem; }
.samples { display: flex; gap: .35rem; }
.samples img { width: 2.25rem; height: 2.25rem; object-fit: cover; border-radius: .25rem; }
.settings { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1.25rem; margin: 0; font-size: var(--small); }
.settings dt { color: var(--muted); }
.settings dd { margin: 0; font-family: ui-monospace, monospace; }
@media (max-width: 30rem) {
  :root { --huge: 1.6rem; }
  main { padding: 1.25rem 1rem 3rem; }
  .facts { grid-template-columns: 1fr 1fr; }
  .images { grid-template-columns: 1fr 1fr; }
  th, td { padding: .35rem .4rem; }
  .wide { display: none; }
  .matrix td, .matrix th { min-width: 2.4rem; height: 2.4rem; }
  .settings { grid-template-columns: 1fr; gap: 0; }
  .settings dd { margin-bottom: .5rem; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --panel: #f5f7f7; --line: #d8dfdf; --ink: #16201f; --muted: #586766; --accent: #0b6e69; --on-accent: #fff; }
  body { print-color-adjust: exact; -webkit-print-color-adjust: exact; font-size: 10pt; }
  main { max-width: none; padding: 0; }
  h2 { break-after: avoid; }
  figure, tr, .images li, .facts div, .findings li, .steps li { break-inside: avoid; }
  .scroll { overflow: visible; }
}
`;
